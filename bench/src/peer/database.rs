//! The database server of a peer that needs one, from Debian's package.

use std::path::Path;

use anyhow::{Context, Result};
use services::{DatabaseServer, Kind, Place};

/// MiB that a database server has for itself: what is measured fits.
const CACHE_MIB: u32 = 512;
/// ejabberd does not make its tables itself.
const EJABBERD_SCHEMA: &str = "/usr/share/ejabberd/sql/pg.sql";

/// A database server and the database on it.
pub struct Database {
    pub(super) server: DatabaseServer,
    pub(super) database: services::Database,
}

impl Database {
    /// Starts one with an empty database.
    pub(super) fn start(kind: Kind, dir: &Path) -> Result<Self> {
        let place = Place { cache_mib: CACHE_MIB, ..Place::temporary(kind, dir)? };
        let server = DatabaseServer::start_in(kind, place)?;
        let database = server.database()?;
        Ok(Self { server, database })
    }

    /// Makes the tables of ejabberd.
    pub(super) fn make_ejabberd_tables(&self) -> Result<()> {
        let schema = std::fs::read_to_string(EJABBERD_SCHEMA).context(EJABBERD_SCHEMA)?;
        self.server.client(&self.database, &schema).map(drop)
    }
}
