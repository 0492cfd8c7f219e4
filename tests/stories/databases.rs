//! Every story of this program once more, on each kind of database server.

use anyhow::Result;
use testkit::{Backend, run_again_on};

#[tokio::test]
async fn every_story_on_postgresql() -> Result<()> {
    run_again_on(Backend::Postgres).await
}

#[tokio::test]
async fn every_story_on_mysql() -> Result<()> {
    run_again_on(Backend::Mysql).await
}
