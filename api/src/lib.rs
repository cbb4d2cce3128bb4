//! HTTP in, HTTP out: routes, authentication, configuration, wiring, and the `chaperone` command line.
//!
//! | part | module |
//! |---|---|
//! | command line, one file per verb | [`cli`] |
//! | configuration: default file, file, environment | [`config`] |
//! | what one process does: everything, the door, or the work of some lanes | [`role`] |
//! | the only place where implementations are chosen | [`services`] |
//! | the running service: listener, workers, shutdown | [`serve`] |
//! | HTTPS | [`tls`] |
//! | what it depends on, and what of it is down | [`parts`] |
//! | how many items must be in work | [`batches`] |
//! | router, middleware | [`app`], [`error`], [`extract`], [`routes`] |
//! | who may call, and how often | [`auth`], [`limits`] |
//! | the document of it all | [`openapi`] |
//!
//! Deliberately absent: SQL, inference, rules.

pub mod app;
pub mod auth;
pub mod batches;
pub mod cli;
pub mod config;
pub mod error;
pub mod extract;
pub mod limits;
pub mod openapi;
pub mod parts;
pub mod role;
pub mod routes;
pub mod serve;
pub mod services;
pub mod telemetry;
pub mod tls;
