//! Whole fetches, from packages that are put into the cache by hand: no network.

use std::{io::Write as _, sync::Mutex};

use sha2::{Digest as _, Sha256};

use super::*;

/// Remembers what it is told.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn push(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl Progress for Log {
    fn start(&self, name: &str, bytes: u64) {
        self.push(format!("start {name} {bytes}"));
    }
    fn advance(&self, name: &str, bytes: u64) {
        self.push(format!("advance {name} {bytes}"));
    }
    fn message(&self, name: &str, text: &str) {
        self.push(format!("message {name} {text}"));
    }
    fn done(&self, name: &str, outcome: Outcome) {
        self.push(format!("done {name} {outcome:?}"));
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

const FILES: [(&str, &str); 3] =
    [("libonnxruntime.so", "library"), ("LICENSE", "licence"), ("ThirdPartyNotices.txt", "notices")];

fn wheel(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// `models/` with a repository of one model, whose package lies in the cache.
struct House {
    root: tempfile::TempDir,
    repository: Repository,
}

impl House {
    fn new(package: &[u8]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("repository/small");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::create_dir(root.path().join(".cache")).unwrap();
        std::fs::write(root.path().join(".cache/small-1.whl"), package).unwrap();
        let mut spec = format!(
            "name = \"small\"\nversion = \"1\"\nsummary = \"\"\ntask = \"classify-text\"\nbackend = \"fake\"\nlabels = [\"x\"]\n\
             [source]\nregistry = \"pypi\"\npackage = \"small\"\nversion = \"1\"\nfile = \"small-1.whl\"\nbytes = {}\n\
             sha256 = \"{}\"\nconvert = \"onnxruntime\"\nlicence = \"MIT\"\n",
            package.len(),
            sha256(package)
        );
        for (path, content) in FILES {
            spec.push_str(&format!("[[artifact]]\npath = \"{path}\"\nsha256 = \"{}\"\n", sha256(content.as_bytes())));
        }
        std::fs::write(folder.join("model.toml"), spec).unwrap();
        let repository = Repository::open(root.path().join("repository")).unwrap();
        Self { root, repository }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn fetch(&self) -> Result<Vec<(String, Outcome)>, ModelError> {
        fetch(&self.repository, &["small".into()], &Log::default(), &Cancel::new())
    }

    /// Nothing but `model.toml` in the model's folder, and no work left over.
    fn assert_clean(&self) {
        assert_eq!(self.list("repository/small"), ["model.toml"]);
        self.assert_nothing_is_left();
    }

    fn assert_nothing_is_left(&self) {
        assert!(self.list("repository/.staging").iter().all(|name| name == "lock"));
    }

    fn list(&self, path: &str) -> Vec<std::ffi::OsString> {
        std::fs::read_dir(self.path(path)).into_iter().flatten().map(|entry| entry.unwrap().file_name()).collect()
    }
}

fn good_wheel() -> Vec<u8> {
    wheel(&[
        ("onnxruntime/capi/libonnxruntime.so.1.31.1", "library"),
        ("onnxruntime/LICENSE", "licence"),
        ("onnxruntime/ThirdPartyNotices.txt", "notices"),
        ("../../evil", "never written"),
    ])
}

#[test]
fn two_models_of_one_package_are_one_download() {
    let house = House::new(&good_wheel());
    let spec = std::fs::read_to_string(house.path("repository/small/model.toml")).unwrap();
    std::fs::create_dir(house.path("repository/twin")).unwrap();
    std::fs::write(house.path("repository/twin/model.toml"), spec.replace("name = \"small\"", "name = \"twin\""))
        .unwrap();
    let log = Log::default();
    let fetched = fetch(&house.repository, &[], &log, &Cancel::new()).unwrap();
    let installed = |name: &str| (name.to_owned(), Outcome::Installed);
    assert_eq!(fetched, [installed("small"), installed("twin")]);
    let obtained = log.0.into_inner().unwrap().iter().filter(|line| line.contains("using ")).count();
    assert_eq!(obtained, 1);
    assert!(house.repository.verify("small").is_ok() && house.repository.verify("twin").is_ok());
    house.assert_nothing_is_left();
}

#[test]
fn installs_once_and_then_touches_nothing() {
    let house = House::new(&good_wheel());
    let log = Log::default();
    let fetched = fetch(&house.repository, &[], &log, &Cancel::new()).unwrap();
    assert_eq!(fetched, [("small".to_owned(), Outcome::Installed)]);
    let log = log.0.into_inner().unwrap();
    assert!(log[0].starts_with("start small ") && log.last().unwrap() == "done small Installed", "{log:?}");
    assert!(house.repository.verify("small").is_ok());
    assert!(!house.path("evil").exists() && !house.path("repository/evil").exists());

    std::fs::remove_dir_all(house.path(".cache")).unwrap();
    std::fs::remove_dir_all(house.path("repository/.staging")).unwrap();
    assert_eq!(house.fetch().unwrap(), [("small".to_owned(), Outcome::AlreadyThere)]);
    assert!(!house.path("repository/.staging").exists(), "a second run wrote something");
}

#[test]
fn tampered_package_is_named_and_leaves_nothing() {
    let house = House::new(&good_wheel());
    let cached = house.path(".cache/small-1.whl");
    let expected = sha256(&std::fs::read(&cached).unwrap());
    std::fs::write(&cached, "tampered").unwrap();
    let message = house.fetch().unwrap_err().to_string();
    for part in ["small-1.whl", &expected, &sha256(b"tampered"), "delete the file"] {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
    house.assert_clean();
}

#[test]
fn tampered_artifact_in_a_good_package_leaves_nothing() {
    let package = wheel(&[
        ("onnxruntime/capi/libonnxruntime.so.1.31.1", "library"),
        ("onnxruntime/LICENSE", "another licence"),
        ("onnxruntime/ThirdPartyNotices.txt", "notices"),
    ]);
    let house = House::new(&package);
    assert!(matches!(house.fetch(), Err(ModelError::HashMismatch { path, .. }) if path.ends_with("LICENSE")));
    house.assert_clean();
}

#[test]
fn missing_entry_leaves_nothing() {
    let house = House::new(&wheel(&[("onnxruntime/LICENSE", "licence")]));
    let message = house.fetch().unwrap_err().to_string();
    assert!(message.contains("libonnxruntime.so.1.31.1"), "{message}");
    house.assert_clean();
}

#[test]
fn damaged_installed_file_is_replaced() {
    let house = House::new(&good_wheel());
    house.fetch().unwrap();
    std::fs::write(house.path("repository/small/LICENSE"), "edited").unwrap();
    assert!(house.repository.verify("small").is_err());
    assert_eq!(house.fetch().unwrap(), [("small".to_owned(), Outcome::Installed)]);
    assert!(house.repository.verify("small").is_ok());
}

#[test]
fn leftovers_of_a_killed_run_are_removed() {
    let house = House::new(&good_wheel());
    let left = house.path("repository/.staging/other/package");
    std::fs::create_dir_all(&left).unwrap();
    std::fs::write(left.join("half"), "half").unwrap();
    std::fs::write(house.path("repository/small/LICENSE"), "licence").unwrap();
    house.fetch().unwrap();
    assert!(!left.exists());
    assert!(house.repository.verify("small").is_ok());
}

#[test]
fn cancelled_fetch_leaves_nothing() {
    let house = House::new(&good_wheel());
    let cancel = Cancel::new();
    cancel.cancel();
    let message = fetch(&house.repository, &[], &Log::default(), &cancel).unwrap_err().to_string();
    assert!(message.contains("cancelled"), "{message}");
    house.assert_clean();
}

#[test]
fn unknown_model_says_what_exists() {
    let house = House::new(&good_wheel());
    let error = fetch(&house.repository, &["smal".into()], &Log::default(), &Cancel::new()).unwrap_err();
    assert_eq!(error.to_string(), "there is no model `smal`; there are: small");
}

#[test]
fn other_processor_is_refused_in_words() {
    let house = House::new(&good_wheel());
    let path = house.path("repository/small/model.toml");
    let spec = std::fs::read_to_string(&path).unwrap();
    let wheel = "licence = \"MIT\"\nwheel = { arch = \"z80\", python = \"3.11\", abi = \"cp311\", platform = \"x\" }";
    std::fs::write(&path, spec.replace("licence = \"MIT\"", wheel)).unwrap();
    let message = house.fetch().unwrap_err().to_string();
    assert!(message.contains("only z80 is supported yet, and this machine is"), "{message}");
    house.assert_clean();
}

/// A package whose one wanted entry unpacks to more than its limit.
#[test]
fn oversized_entries_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let wanted = [convert::Wanted { entry: "package/a", name: "a", limit: 4 }];
    let zip = folder.path().join("a.whl");
    std::fs::write(&zip, wheel(&[("package/a", "12345")])).unwrap();
    assert!(archive::unzip(&zip, &wanted, folder.path()).unwrap_err().to_string().contains("more than 4 bytes"));

    let tgz = folder.path().join("a.tgz");
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_cksum();
    tar.append_data(&mut header, "package/a", &b"12345"[..]).unwrap();
    std::fs::write(&tgz, tar.into_inner().unwrap().finish().unwrap()).unwrap();
    assert!(archive::untar(&tgz, &wanted, folder.path()).unwrap_err().to_string().contains("more than 4 bytes"));
    let absent = [convert::Wanted { entry: "package/b", name: "b", limit: 4 }];
    assert!(archive::untar(&tgz, &absent, folder.path()).unwrap_err().to_string().contains("package/b is not in it"));
}
