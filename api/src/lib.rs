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
//! | who may call, and how often; from which web pages | [`auth`], [`limits`], [`cors`] |
//! | pictures fetched by their address, behind a guard | [`fetch`] |
//! | the reviewers' desk: who sits there, what its routes share | [`seat`], [`desk`] |
//! | passwords, codes, addresses that open evidence for minutes | [`password`], [`signed`] |
//! | the document of it all | [`openapi`] |
//!
//! Deliberately absent: SQL, inference, rules.

pub mod app;
pub mod auth;
pub mod batches;
pub mod cli;
pub mod config;
pub mod cors;
pub mod desk;
pub mod error;
pub mod extract;
pub mod fetch;
pub mod limits;
pub mod openapi;
pub mod parts;
pub mod password;
pub mod role;
pub mod routes;
pub mod seat;
pub mod serve;
pub mod services;
pub mod signed;
pub mod telemetry;
pub mod tls;
