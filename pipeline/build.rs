//! Migrations are embedded in the binary: a changed file has to rebuild this crate.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
