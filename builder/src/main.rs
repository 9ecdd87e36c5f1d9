//! `bedplate`: turns a TOML definition into a signed, immutable appliance image.

use std::process::ExitCode;

fn main() -> ExitCode {
    bedplate::cli::main()
}
