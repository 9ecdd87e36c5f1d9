//! The search for secrets in every file of a layer.
//!
//! The builder refuses literal secrets of a definition; this looks at what came out, packages and all,
//! by rules of its own.

use std::{
    fmt,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::layout;

/// Passwords that the deployment documents show; `admin` is a word of too many other things.
const KNOWN: [&str; 8] = [
    "secure_password_here",
    "secure_redis_password",
    "your-secure-password",
    "minioadmin",
    "YOUR_SLACK_WEBHOOK_URL",
    "YOUR_PAGERDUTY_KEY",
    "repl_password",
    "hunter2",
];

/// Prefixes of tokens, with the characters that follow at least.
const TOKENS: [(&str, usize); 6] = [
    ("AKIA", 16),
    ("AIza", 35),
    ("ghp_", 36),
    ("glpat-", 20),
    ("xoxb-", 20),
    ("sk_live_", 20),
];

/// Base64 characters of the smallest private key (Ed25519 in PKCS#8).
const KEY: usize = 60;

/// Characters of the shortest hash, that of DES (crypt(5)); what is shorter, such as the `x` that
/// grpconv(8) leaves, lets nobody in.
const HASH: usize = 13;

/// A secret that an image holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, from the root of the image.
    pub path: PathBuf,
    /// What was found; never the secret itself.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}: {}", self.path.display(), self.what)
    }
}

/// Every secret in the files of a layer.
///
/// # Errors
/// It is no gzip of a tar archive.
pub fn search(layer: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut archive = layout::open(layer)?;
    for entry in archive.entries()? {
        let mut entry = entry.with_context(|| format!("reading `{}`", layer.display()))?;
        let path = entry.path()?.into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        findings.extend(search_file(&path, &bytes));
    }
    Ok(findings)
}

fn search_file(path: &Path, bytes: &[u8]) -> Vec<Finding> {
    let path = path.strip_prefix("./").unwrap_or(path);
    let text = String::from_utf8_lossy(bytes);
    let mut found = Vec::new();
    if holds_private_key(&text) {
        found.push("a private key".to_owned());
    }
    found.extend(hashes(path, &text));
    // A program's tables of prefixes and examples are no tokens: only text is read for them.
    if !bytes.contains(&0) {
        found.extend(known(&text).chain(tokens(&text)));
    }
    let finding = |what| Finding {
        path: path.to_owned(),
        what,
    };
    found.into_iter().map(finding).collect()
}

/// A PEM block with a body; programs that read keys hold the two lines alone.
fn holds_private_key(text: &str) -> bool {
    let mut blocks = text.split("PRIVATE KEY-----").skip(1);
    blocks.any(|rest| {
        let body = rest.split("-----").next().unwrap_or_default();
        let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        let lines = body.lines().filter(|line| !line.contains(':'));
        let letters: String = lines.collect();
        letters.trim().len() >= KEY && letters.trim().chars().all(is_base64)
    })
}

/// Accounts with a password.
fn hashes<'a>(path: &Path, text: &'a str) -> impl Iterator<Item = String> + 'a {
    let holds = ["etc/shadow", "etc/shadow-", "etc/gshadow", "etc/gshadow-"];
    let is_list = holds.iter().any(|list| path == Path::new(list));
    let lines = text.lines().filter(move |_| is_list);
    lines.filter_map(|line| {
        let (account, rest) = line.split_once(':')?;
        let password = rest.split(':').next()?;
        let locked = password.len() < HASH || password.starts_with(['*', '!']);
        (!locked).then(|| format!("a password of account `{account}`"))
    })
}

fn known(text: &str) -> impl Iterator<Item = String> {
    let known = KNOWN.into_iter().filter(|word| text.contains(word));
    known.map(|word| format!("the example password `{word}`"))
}

fn tokens(text: &str) -> impl Iterator<Item = String> {
    let found = TOKENS.into_iter().filter(|(prefix, least)| {
        let mut rests = text.split(prefix).skip(1);
        rests.any(|rest| {
            let is_token = |c: &char| c.is_ascii_alphanumeric() || "-_".contains(*c);
            rest.chars().take_while(is_token).count() >= *least
        })
    });
    found.map(|(prefix, _)| format!("a token that begins with `{prefix}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(path: &str, text: &str) -> Vec<String> {
        let findings = search_file(Path::new(path), text.as_bytes());
        findings.into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn planted_secrets_are_found() {
        let body = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
        let key = |kind: &str| format!("-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END");
        for (path, text, expected) in [
            ("etc/tls.key", key(""), "a private key"),
            ("opt/app/main.py", key("RSA "), "a private key"),
            (
                "etc/shadow",
                "root:$y$j9T$salt$hash:1:0:::::".into(),
                "a password of account `root`",
            ),
            (
                "./etc/app.env",
                "PASSWORD=secure_password_here".into(),
                "the example password `secure_password_here`",
            ),
            (
                "etc/app.env",
                format!("KEY=AKIA{}", "A1".repeat(8)),
                "a token that begins with `AKIA`",
            ),
        ] {
            assert_eq!(what(path, &text), [expected], "{path}");
        }
    }

    #[test]
    fn what_only_looks_like_one_is_not() {
        for (path, text) in [
            (
                "usr/lib/libssl.so",
                "-----BEGIN PRIVATE KEY-----\0-----END PRIVATE KEY-----",
            ),
            (
                "usr/share/doc/x",
                "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
            ),
            ("etc/shadow", "root:*:1::::::\npostgres:!:1::::::"),
            ("etc/gshadow", "postgres:x::\nredis:!::"),
            ("usr/bin/x", "AKIA AIza ghp_short"),
            ("usr/bin/x", "\0secure_password_here"),
        ] {
            assert_eq!(what(path, text), Vec::<String>::new(), "{path}");
        }
    }
}
