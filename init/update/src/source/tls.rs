//! Whom a server's certificate must come from.

use std::{fs, path::Path};

use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// Where an image has the roots of its distribution, if it has any.
const ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The image's own roots, so that its maker decides; else those that are built in.
pub fn config() -> TlsConfig {
    let roots = image_roots(Path::new(ROOTS)).unwrap_or(RootCerts::WebPki);
    TlsConfig::builder().root_certs(roots).build()
}

/// `None` where there are none. A certificate that cannot be parsed is left out: it vouches for
/// nobody, and the others do.
fn image_roots(path: &Path) -> Option<RootCerts> {
    let pem = fs::read(path).ok()?;
    let certificates = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<_> = certificates.collect();
    (!certificates.is_empty()).then(|| RootCerts::new_with_certs(&certificates))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    #[test]
    fn the_image_decides_if_it_has_roots() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("roots");
        assert!(image_roots(&path).is_none());
        for (text, expected) in [("", None), ("nothing", None), (CERTIFICATE, Some(1))] {
            fs::write(&path, text).unwrap();
            let found = image_roots(&path).map(|roots| match roots {
                RootCerts::Specific(certificates) => certificates.len(),
                _ => 0,
            });
            assert_eq!(found, expected, "{text}");
        }
    }
}
