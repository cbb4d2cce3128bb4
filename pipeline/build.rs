//! Migrations are embedded in the binary: a changed file has to rebuild this crate. And the index's suite on a real Qdrant server exists only
//! where there is one, so that no test is skipped.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rustc-check-cfg=cfg(test_qdrant)");
    println!("cargo:rerun-if-env-changed=TEST_QDRANT_URL");
    if std::env::var_os("TEST_QDRANT_URL").is_some() {
        println!("cargo:rustc-cfg=test_qdrant");
    }
}
