//! The stacks that CI plays; `cargo xtask images --boot` plays them all.

use anyhow::Result;
use bedplate_tests::systems;

#[test]
fn justnews_works_end_to_end() -> Result<()> {
    println!("{:?}", systems::play("images/justnews", "min")?);
    Ok(())
}

#[test]
fn reddit_watcher_works_end_to_end() -> Result<()> {
    println!("{:?}", systems::play("images/reddit-watcher", "min")?);
    Ok(())
}
