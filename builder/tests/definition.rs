//! Definitions that are wrong, and what is said about them: `tests/definition/<case>/`.
//!
//! A case is a directory with `image.toml`, perhaps `profile.toml` and `files/`, and the text
//! expected. `BLESS=1 cargo test -p bedplate --test definition` rewrites the texts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bedplate::{definition, run::ports};
use bedplate_contract::service::Check;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn directories(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

/// What `bedplate check` would print, with paths relative to the case.
fn render(case: &Path) -> String {
    let (profile, profiles) = match case.join("profile.toml").exists() {
        true => ("profile", case.to_owned()),
        false => ("min", repository().join("profiles")),
    };
    let text = match definition::load(case, profile, &profiles) {
        Ok(definition) => {
            let warnings = definition
                .warnings
                .iter()
                .map(|warning| format!("{warning}\n\n"));
            format!("{}{}", warnings.collect::<String>(), definition.summary())
        }
        Err(errors) => errors.to_string(),
    };
    text.replace(&format!("{}/", case.display()), "") + "\n"
}

#[test]
fn problems_are_explained() {
    let mut wrong = Vec::new();
    for case in directories(&repository().join("tests/definition")) {
        let expected = case.join("expected.txt");
        let found = render(&case);
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &found).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("{}:\n{found}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn shipped_images_load_for_shipped_profiles() {
    let profiles = repository().join("profiles");
    let images = directories(&repository().join("images"));
    for image in images
        .iter()
        .filter(|image| image.join("image.toml").exists())
    {
        for profile in definition::profile_names(&profiles).unwrap() {
            let loaded = definition::load(image, &profile, &profiles);
            let definition = loaded.unwrap_or_else(|errors| panic!("{errors}"));
            assert!(definition.warnings.is_empty(), "{:?}", definition.warnings);
        }
    }
}

#[test]
fn unknown_names_of_images_and_profiles_have_neighbours() {
    let load = |image, profile| {
        let images = repository().join("images");
        let profiles = repository().join("profiles");
        definition::load(&images.join(image), profile, &profiles)
            .unwrap_err()
            .to_string()
    };
    let text = load("helo", "recomended");
    for expected in [
        "unknown profile `recomended`",
        "did you mean `recommended`?",
        "images/hello`?",
    ] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn templates_and_environments_are_merged() {
    let case = repository().join("tests/definition/every-key");
    let definition = definition::load(&case, "profile", &case).unwrap();
    let file = definition
        .files
        .iter()
        .find(|file| file.path == "/etc/app/app.conf");
    assert_eq!(file.unwrap().content, b"workers 4\ngpu on\n");
    // The image's values lie over those of its part.
    let file = definition
        .files
        .iter()
        .find(|f| f.path == "/etc/cache.conf");
    assert_eq!(file.unwrap().content, b"size 64MiB\nport 11211 of 4\n");

    let service = |name: &str| definition.services.iter().find(|s| s.name == name).unwrap();
    let one = &service("app@one").environment;
    let expected = [
        ("COLOUR", "blue"),
        ("LOG_LEVEL", "INFO"),
        ("NAME", "one"),
        ("WORKERS", "4"),
    ];
    assert!(
        one.iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .eq(expected)
    );
    assert_eq!(service("app@two").environment["COLOUR"], "red");
    let live = &service("web").live.as_ref().unwrap().check;
    let words = "check devices=0,1 count=2 memory_mib=22888 temperature_c=85 driver=550.163";
    let program = "/usr/lib/bedplate/gpu-probe".to_owned();
    let words = words.split(' ').map(str::to_owned);
    let run = [program].into_iter().chain(words).collect();
    assert_eq!(*live, Check::Exec { run });
    let page = &service("web").checks[0];
    let figures = (
        page.probe.period_ms,
        page.probe.success_threshold,
        page.probe.failure_threshold,
    );
    assert!(page.gate && figures == (10_000, 2, 4), "{page:?}");
    assert_eq!(service("app@two").run[2..], ["app.two", "--port", "8002"]);
    assert!(!service("app@two").essential);
    let visible = |name: &str| service(name).environment.get("CUDA_VISIBLE_DEVICES");
    assert_eq!(visible("migrate").map(String::as_str), Some("0,1"));
    // One works on a GPU, a probe of the other asks for it.
    assert!(service("migrate").gpu && service("web").gpu);
    assert!(!service("app@one").gpu);
    assert_eq!(visible("web"), None);
    let locked = |name: &str| service(name).limits.memlock_bytes;
    assert_eq!(locked("app@two"), Some(u64::MAX));
    assert_eq!(locked("migrate"), Some(64 << 20));
    assert_eq!(definition.profile.sysctl["vm.swappiness"], "10");
    assert_eq!(
        definition.profile.sysctl["net.ipv4.ip_unprivileged_port_start"],
        "80"
    );
}

#[test]
fn a_run_forwards_what_the_firewall_lets_in() {
    let case = repository().join("tests/definition/every-key");
    let definition = definition::load(&case, "profile", &case).unwrap();
    let guests = |source: [u8; 4]| -> Vec<u16> {
        let forwards = ports::forwards(&[], &definition, source.into());
        forwards.iter().map(|forward| forward.guest).collect()
    };
    assert_eq!(guests([192, 0, 2, 1]), [80, 443, 8001, 8002]);
    assert_eq!(guests([10, 0, 2, 2]), [0_u16; 0]);
}
