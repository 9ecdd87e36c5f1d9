#!/usr/bin/perl
# Tries to get out of a service: one line `escape | outcome` for each way. An outcome begins with `held`, or
# with `ESCAPED` when it led somewhere; nothing here does harm when it does.
#
# Arguments: the other service, the directory of a volume, the most processes (0: no limit to be tried),
# the most MiB of a runtime directory (0: the same).
use strict;
use warnings;
use Errno qw(EPERM ENOSYS EAFNOSUPPORT EAGAIN ENOSPC);

my ($other, $volume, $most_processes, $most_mib) = @ARGV;
my $own = $ENV{NAME};
my $credentials = $ENV{CREDENTIALS_DIRECTORY};
$| = 1;

sub row { my ($escape, $held, $words) = @_; printf "%s | %s: %s\n", $escape, $held ? 'held' : 'ESCAPED', $words }

# A system call that must be answered with one of the errors: the kernel itself is never asked.
sub refused {
    my ($escape, $errors, $number, @arguments) = @_;
    $! = 0;
    my $result = syscall($number, @arguments);
    exit 0 if $number == 56 && $result == 0;    # the child of a clone that worked
    my ($error, $words) = ($! + 0, $result == -1 ? "$!" : "returned $result");
    my $held = $result == -1 && scalar grep { $_ == $error } @$errors;
    row($escape, $held, $words);
}

# Files of which none may be opened so.
sub closed {
    my ($escape, $mode, @paths) = @_;
    my ($opened, $words) = ('', 'nothing is there');
    for my $path (@paths) {
        if (open my $file, $mode, $path) { $opened = $path; last }
        $words = "$!";
    }
    row($escape, $opened eq '', $opened ? "opened $opened" : $words);
}

# A program that is put there must not run.
sub no_program {
    my ($escape, $directory) = @_;
    my $path = "$directory/program";
    if (open my $file, '>', $path) {
        no warnings 'exec';
        print $file "#!/usr/bin/perl\nexit 0;\n";
        close $file;
        chmod 0755, $path;
        my $status = system { $path } $path;
        row($escape, $status == -1, $status == -1 ? "$!" : 'it ran');
        unlink $path;
    } else {
        row($escape, 1, "write: $!");
    }
}

my @disks = map { ("/dev/$_") } qw(vda vda1 vda7 sda nvme0n1 dm-0 mem kmem port kmsg watchdog vport0p1 mapper/control);
closed('read a disk or memory', '<', @disks);
closed('write a disk or memory', '+<', @disks);
my $node = '/tmp/node';
refused('make the node of a disk', [EPERM], 133, $node, 0060666, 254 << 8);
closed('write the disk by that node', '+<', $node);

refused('mount', [EPERM], 165, 'tmpfs', '/tmp', 'tmpfs', 0, 0);
refused('mount by a descriptor', [EPERM], 430, 'tmpfs', 0);
refused('unmount', [EPERM], 166, '/proc', 2);
refused('change the root', [EPERM], 155, '.', '.');
refused('a user namespace', [EPERM], 272, 0x10000000);
refused('a mount namespace', [EPERM], 272, 0x00020000);
refused('a user namespace by clone', [EPERM], 56, 0x10000000 | 17, 0, 0, 0, 0);
refused('a user namespace by clone3', [ENOSYS], 435, 0, 0);
open my $ns, '<', '/proc/self/ns/net';
refused('another namespace', [EPERM], 308, fileno($ns), 0);

refused('trace process 1', [EPERM], 101, 16, 1, 0, 0);
refused('read the memory of process 1', [EPERM], 310, 1, 0, 0, 0, 0, 0);
my @seen = grep { m{/\d+$} && (stat $_)[4] != $> } glob '/proc/[0-9]*';
row('see processes of others', !@seen, @seen ? "saw @seen" : 'none');
closed('read the environment of others', '<', '/proc/1/environ', map { "$_/environ" } @seen);
refused('signal process 1', [EPERM], 62, 1, 0);
refused('signal process 1 by a descriptor', [EPERM], 434, 1, 0);

closed('read the log of another', '<', "/state/logs/$other.log", "/state/logs/$other.log.1");
my ($logs, $socket);
opendir($logs, '/state/logs') ? row('list the logs', (grep { !/^\./ } readdir $logs) == 0, 'opened') : row('list the logs', 1, "$!");
closed('read the secret of another', '<', "/run/credentials/$other/token", "/run/bedplate/secrets/$other/token");
closed('read a secret that is kept', '<', '/state/secrets/token', '/state/secrets/other');
closed('open the record of the machine', '<', '/run/bedplate/source.json') if $> == 0;
row('read its own secret', -s "$credentials/token", 'as it must');
chmod 0700, $credentials;
closed('a file in the directory of its secrets', '>', "$credentials/.token.new");
symlink('/etc/shadow', "$credentials/.token.new") ? row('a link in the directory of its secrets', 0, 'it is there') : row('a link in the directory of its secrets', 1, "$!");
closed('change its secret', '+<', "$credentials/token");

closed('write /sys', '>>', '/sys/kernel/uevent_helper', '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages', '/sys/fs/cgroup/cgroup.procs', '/sys/fs/cgroup/services/cgroup.procs', '/sys/power/state');
closed('write /proc/sys', '>>', map { "/proc/sys/$_" } qw(kernel/core_pattern kernel/modprobe vm/drop_caches fs/protected_hardlinks));
closed('write /proc', '>>', '/proc/sysrq-trigger', '/proc/irq/default_smp_affinity', '/proc/1/oom_score_adj');

no_program('run a program from a volume', $volume);
no_program('run a program from a runtime directory', "/run/$own");
no_program('run a program from /tmp', '/tmp');
no_program('run a program from /dev/shm', '/dev/shm');
closed('a file in /dev', '>', '/dev/file');

my $keys = "\0" x 64;
refused('the keyring', [EPERM], 250, 0, -3, 0);
refused('a key', [EPERM], 248, 'user', 'x', 'x', 1, -3);
refused('bpf', [EPERM], 321, 0, $keys, 64);
refused('performance counters', [EPERM], 298, $keys, 0, -1, -1, 0);
refused('userfaultfd', [EPERM], 323, 0);
refused('io_uring', [EPERM], 425, 8, "\0" x 128);
refused('load a module', [EPERM], 175, $keys, 64, '');
refused('load a module by descriptor', [EPERM], 313, fileno($ns), '', 0);
refused('another kernel', [EPERM], 246, 0, 0, 0, 0);
refused('reboot', [EPERM], 169, 1, 2, 3, 0);
refused('swap', [EPERM], 167, '/nonexistent', 0);
refused('set the clock', [EPERM], 227, 0, pack('q2', 0, 2_000_000_000));
refused('files by number', [EPERM], 304, -1, $keys, 0);
refused('ports of the processor', [EPERM], 172, 3);
refused('accounting', [EPERM], 163, '/nonexistent');
refused('the words of the kernel', [EPERM], 103, 3, $keys, 64);
refused('type on a terminal', [EPERM], 16, 0, 0x5412, 'x');
refused('a call of the x32 ABI', [EPERM], 0x40000000 + 39);
refused('a socket of the hypervisor', [EAFNOSUPPORT], 41, 40, 1, 0);
refused('a socket of the crypto API', [EAFNOSUPPORT], 41, 38, 5, 0);
refused('become root', [EPERM], 105, 0) if $> != 0;
refused('become another', [EPERM], 105, 4242);
my $address = pack 'S a*', 1, '/run/bedplate/control.sock';
socket($socket, 1, 1, 0) && connect($socket, $address) ? row('the control socket', 0, 'connected') : row('the control socket', 1, "$!");

open my $status, '<', '/proc/self/status';
my %status = map { /^(\w+):\s*(\S+)/ ? ($1, $2) : () } <$status>;
my $caps = join ' ', map { $status{$_} } qw(CapEff CapPrm CapBnd CapAmb);
row('capabilities', $caps !~ /[^0 ]/, $caps);
row('new privileges and the filter', $status{NoNewPrivs} == 1 && $status{Seccomp} == 2, "$status{NoNewPrivs} $status{Seccomp}");

if ($most_mib) {
    my $written = 0;
    if (open my $file, '>', "/run/$own/fill") {
        $written++ while $written < 4 * $most_mib && (syswrite($file, "x" x (1 << 20)) // 0) == 1 << 20;
    }
    row('fill /run', $written <= $most_mib, "$written MiB, then $!");
    unlink "/run/$own/fill";
}
if ($most_processes) {
    my ($made, @children) = (0);
    while ($made <= $most_processes) {
        my $child = fork;
        last unless defined $child;
        if ($child == 0) { sleep 60; exit 0 }
        push @children, $child;
        $made++;
    }
    my $error = "$!";
    kill 'KILL', @children;
    waitpid $_, 0 for @children;
    row('a fork bomb', $made < $most_processes, "$made processes, then $error");
}
print "end\n";
open my $end, '>', "/run/$own/end" or die "no end: $!";
sleep 1 while 1;
