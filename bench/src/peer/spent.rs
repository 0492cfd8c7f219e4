//! CPU of a server and of the database server that works for it.

use std::ops::Sub;

use anyhow::Result;

use super::Running;
use crate::process::{Cpu, cpu_at_rest, cpu_below};

/// CPU used so far.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    server: Cpu,
    database: Option<Cpu>,
}

/// What was measured for a row, in the row's unit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figure {
    /// All of it.
    pub value: f64,
    /// The part of it that a database server spent.
    pub database: f64,
}

impl Running {
    /// CPU used so far, once nobody works any more on what was sent.
    pub async fn cpu_at_rest(&self) -> Result<Spent> {
        cpu_at_rest(|| self.cpu(), |now, before| now.since(before).value).await
    }

    fn cpu(&self) -> Result<Spent> {
        let database = self.database.as_ref().map(|database| cpu_below(database.server.process()));
        Ok(Spent { server: self.server.cpu()?, database: database.transpose()? })
    }
}

impl Spent {
    /// Microseconds since `earlier`.
    pub fn since(self, earlier: Self) -> Figure {
        let of_database = self.database.zip(earlier.database);
        let database = of_database.map_or(0.0, |(now, then)| now.since(then));
        Figure { value: self.server.since(earlier.server) + database, database }
    }
}

impl Figure {
    /// A part for each of `count`.
    pub fn per(self, count: usize) -> Self {
        Self { value: crate::work::per(self.value, count), database: crate::work::per(self.database, count) }
    }
}

impl From<f64> for Figure {
    fn from(value: f64) -> Self {
        Self { value, database: 0.0 }
    }
}

impl Sub for Figure {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { value: self.value - other.value, database: self.database - other.database }
    }
}
