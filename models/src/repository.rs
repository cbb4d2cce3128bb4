//! The model repository: one folder per model, each with a `model.toml`.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{ModelError, ModelSpec, spec::Artifact};

/// A folder of model folders.
#[derive(Debug, Clone)]
pub struct Repository {
    root: PathBuf,
}

/// A model whose files are there and have the pinned digests.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    /// `<repository>/<name>`.
    pub path: PathBuf,
    /// Its `model.toml`.
    pub spec: ModelSpec,
}

impl ModelFolder {
    /// Path of the file with this role; an error names the role when `model.toml` lists none.
    pub fn file(&self, role: &str) -> Result<PathBuf, ModelError> {
        let file = self.spec.files.get(role).ok_or_else(|| ModelError::BadSpec {
            path: self.path.join("model.toml"),
            message: format!("`files` has no `{role}`, which this backend needs"),
        })?;
        let path = self.path.join(file);
        if path.is_file() { Ok(path) } else { Err(ModelError::MissingFile { path }) }
    }
}

impl Repository {
    /// Opens the folder; it must exist.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, ModelError> {
        let root = root.into();
        if root.is_dir() {
            return Ok(Self { root });
        }
        Err(ModelError::Io {
            context: format!("open the model repository {}", root.display()),
            message: "no such folder: set `[models] repository` to the folder that holds the model folders".into(),
        })
    }

    /// `<repository>`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every `model.toml`, by name.
    pub fn specs(&self) -> Result<Vec<ModelSpec>, ModelError> {
        self.names()?.iter().map(|name| self.spec(name)).collect()
    }

    /// One model's spec, files not checked.
    pub fn spec(&self, name: &str) -> Result<ModelSpec, ModelError> {
        let names = self.names()?;
        // Only a listed name becomes a path, so `../elsewhere` never does.
        if !names.iter().any(|known| known == name) {
            return Err(ModelError::NoSuchModel { name: name.into(), known: names.join(", ") });
        }
        let path = self.root.join(name).join("model.toml");
        let text = std::fs::read_to_string(&path).map_err(|error| io_error("read", &path, &error))?;
        let spec = ModelSpec::parse(&text, &path)?;
        if &*spec.name != name {
            let message = format!("the folder is called `{name}`, but `name` is `{}`", spec.name);
            return Err(ModelError::BadSpec { path, message });
        }
        Ok(spec)
    }

    /// One model with its files checked against their digests.
    pub fn verify(&self, name: &str) -> Result<ModelFolder, ModelError> {
        let spec = self.spec(name)?;
        let path = self.root.join(name);
        check(&path, &spec.artifact)?;
        Ok(ModelFolder { path, spec })
    }

    /// Names of the folders that hold a `model.toml`, sorted.
    fn names(&self) -> Result<Vec<String>, ModelError> {
        let failed = |error: io::Error| io_error("list", &self.root, &error);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.root).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            match entry.file_name().into_string() {
                Ok(name) if entry.path().join("model.toml").is_file() => names.push(name),
                _ => {}
            }
        }
        names.sort();
        Ok(names)
    }
}

/// Compares every artifact in `folder` with its digest. Hashing the 180 MB of the largest model takes 0.1 s, so
/// nothing is remembered between starts.
pub(crate) fn check(folder: &Path, artifacts: &[Artifact]) -> Result<(), ModelError> {
    artifacts.iter().try_for_each(|artifact| check_file(&folder.join(&artifact.path), &artifact.sha256))
}

/// Compares one file with its digest.
pub(crate) fn check_file(path: &Path, expected: &str) -> Result<(), ModelError> {
    let found = match digest(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ModelError::MissingFile { path: path.into() });
        }
        Err(error) => return Err(io_error("read", path, &error)),
    };
    if found == expected {
        return Ok(());
    }
    Err(ModelError::HashMismatch { path: path.into(), expected: expected.into(), found })
}

fn digest(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

fn io_error(what: &str, path: &Path, error: &io::Error) -> ModelError {
    ModelError::Io { context: format!("{what} {}", path.display()), message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `sha256("abc")`.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn repository() -> (tempfile::TempDir, Repository) {
        let root = tempfile::tempdir().unwrap();
        for name in ["beta", "alpha"] {
            let folder = root.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            let spec = format!(
                "name = \"{name}\"\nversion = \"1\"\nsummary = \"\"\ntask = \"classify-text\"\nbackend = \"linear\"\n\
                 labels = [\"x\"]\nfiles = {{ weights = \"w\" }}\n[[artifact]]\npath = \"w\"\nsha256 = \"{ABC}\"\n"
            );
            std::fs::write(folder.join("model.toml"), spec).unwrap();
            std::fs::write(folder.join("w"), "abc").unwrap();
        }
        std::fs::create_dir(root.path().join(".staging")).unwrap();
        let repository = Repository::open(root.path()).unwrap();
        (root, repository)
    }

    #[test]
    fn lists_models_by_name() {
        let (_root, repository) = repository();
        let names: Vec<String> = repository.specs().unwrap().iter().map(|spec| spec.name.to_string()).collect();
        assert_eq!(names, ["alpha", "beta"]);
    }

    #[test]
    fn unknown_names_say_what_exists() {
        let (_root, repository) = repository();
        for name in ["gamma", "../alpha", ""] {
            let message = repository.spec(name).unwrap_err().to_string();
            assert_eq!(message, format!("there is no model `{name}`; there are: alpha, beta"));
        }
        assert!(Repository::open("/nowhere/at/all").unwrap_err().to_string().contains("no such folder"));
    }

    #[test]
    fn intact_files_verify_and_have_roles() {
        let (root, repository) = repository();
        let model = repository.verify("alpha").unwrap();
        assert_eq!(model.file("weights").unwrap(), root.path().join("alpha/w"));
        assert!(model.file("onnx").unwrap_err().to_string().contains("`files` has no `onnx`"));
    }

    #[test]
    fn tampered_and_missing_files_are_told_apart() {
        let (root, repository) = repository();
        let path = root.path().join("alpha/w");
        std::fs::write(&path, "abd").unwrap();
        let Err(ModelError::HashMismatch { path: named, expected, found }) = repository.verify("alpha") else {
            panic!("tampered file accepted")
        };
        assert_eq!((named, expected.as_str(), found.len()), (path.clone(), ABC, 64));
        assert_ne!(found, expected);
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(repository.verify("alpha"), Err(ModelError::MissingFile { path: named }) if named == path));
    }

    #[test]
    fn folder_and_name_must_agree() {
        let (root, repository) = repository();
        std::fs::rename(root.path().join("alpha"), root.path().join("delta")).unwrap();
        let message = repository.spec("delta").unwrap_err().to_string();
        assert!(message.contains("the folder is called `delta`, but `name` is `alpha`"), "{message}");
    }
}
