//! `/etc/hosts` and `/etc/resolv.conf`. What cannot be read says nothing.

use std::{
    fs::File,
    io::Read,
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

use super::message::Name;

/// Bytes of a file that are read.
const MOST: u64 = 64 << 10;
/// Name servers that are asked, as resolv.conf(5) has it.
const MAX_SERVERS: usize = 3;

/// The addresses of `name` by hosts(5); `localhost` has one in any case.
pub fn hosts(path: &Path, name: &Name) -> Vec<IpAddr> {
    let text = read(path);
    let lines = text.lines().filter_map(|line| {
        let mut words = words(line);
        let address = words.next()?.parse().ok()?;
        words
            .any(|word| word.parse().is_ok_and(|found: Name| found == *name))
            .then_some(address)
    });
    let mut found: Vec<IpAddr> = lines.collect();
    if found.is_empty() && name.is_local() {
        found.push(Ipv4Addr::LOCALHOST.into());
    }
    found
}

/// The name servers of resolv.conf(5).
pub fn servers(path: &Path) -> Vec<IpAddr> {
    let text = read(path);
    let lines = text.lines().filter_map(|line| {
        let mut words = words(line);
        let is_server = words.next()? == "nameserver";
        words.next()?.parse().ok().filter(|_| is_server)
    });
    lines.take(MAX_SERVERS).collect()
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    let text = line.split(['#', ';']).next().unwrap_or_default();
    text.split_ascii_whitespace()
}

fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut bytes));
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_their_manuals_say() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let text = "127.0.0.1 localhost\n10.0.0.1\tweb Web.Example # other\nx y\n::1 web\n";
        std::fs::write(&path, text).unwrap();
        let name = |text: &str| text.parse::<Name>().unwrap();
        let expected: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        assert_eq!(hosts(&path, &name("WEB")), expected);
        assert_eq!(hosts(&path, &name("web.example.")), expected[..1]);
        assert_eq!(hosts(&path, &name("other")), [] as [IpAddr; 0]);
        let text = "; comment\nsearch a\nnameserver 10.0.0.1\nnameserver ::1 # x\nnameserver z\n";
        std::fs::write(&path, text).unwrap();
        assert_eq!(servers(&path), expected);
    }

    #[test]
    fn without_files_there_is_localhost() {
        let path = Path::new("/no/such");
        assert_eq!(hosts(path, &"localhost".parse().unwrap()).len(), 1);
        assert!(hosts(path, &"web".parse().unwrap()).is_empty());
        assert!(servers(path).is_empty());
    }
}
