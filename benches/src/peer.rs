//! Other engines, each in a process of its own that is pinned to one core and asked by lines of JSON.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::json;

/// A text encoder that `peers/text/bench.py` runs; killed on drop.
pub struct Peer {
    /// What its figures are called.
    pub name: &'static str,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

#[derive(Deserialize)]
struct Rate {
    rate: f64,
}

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vec<f32>>,
}

impl Peer {
    /// Starts `engine` on the model in `folder`, on this core; `None` when it is not installed or does not start.
    pub fn start(peers: &Path, engine: &'static str, folder: &Path, core: usize) -> anyhow::Result<Option<Self>> {
        let home = peers.join("text");
        let python = home.join("venv/bin/python");
        ensure!(
            python.is_file(),
            "the peers are not installed: run `make bench`, which puts them into {}",
            home.display()
        );
        let mut child = Command::new("taskset")
            .args(["-c", &core.to_string()])
            .arg(python)
            .arg(home.join("bench.py"))
            .arg(engine)
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("starting a peer")?;
        let input = child.stdin.take().context("stdin was piped")?;
        let mut output = BufReader::new(child.stdout.take().context("stdout was piped")?).lines();
        let ready = output.next().transpose()?.is_some_and(|line| line.contains("ready"));
        let peer = Self { name: engine, child, input, output };
        Ok(ready.then_some(peer))
    }

    /// Texts per CPU-second, in batches of this size, in the order of the texts.
    pub fn rate(&mut self, texts: &[String], batch: usize, seconds: f64) -> anyhow::Result<f64> {
        let answer: Rate = self.ask(&json!({ "texts": texts, "batch": batch, "seconds": seconds }))?;
        Ok(answer.rate)
    }

    /// Their vectors.
    pub fn embed(&mut self, texts: &[String]) -> anyhow::Result<Vec<Vec<f32>>> {
        let answer: Vectors = self.ask(&json!({ "embed": texts }))?;
        Ok(answer.vectors)
    }

    fn ask<T: for<'a> Deserialize<'a>>(&mut self, question: &serde_json::Value) -> anyhow::Result<T> {
        writeln!(self.input, "{question}")?;
        let line = self.output.next().with_context(|| format!("peer {} ended", self.name))??;
        serde_json::from_str(&line).with_context(|| format!("peer {} said `{line}`", self.name))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Least cosine between vectors of the same texts.
pub fn least_cosine(a: &[Vec<f32>], b: &[Vec<f32>]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let cosine = |(a, b): (&Vec<f32>, &Vec<f32>)| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    if a.len() != b.len() { -1.0 } else { a.iter().zip(b).map(cosine).fold(1.0, f64::min) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_cosine_is_of_the_worst_pair() {
        let a = vec![vec![1.0, 0.0], vec![0.0, 2.0]];
        assert!((least_cosine(&a, &a) - 1.0).abs() < 1e-9);
        assert!((least_cosine(&a, &[vec![1.0, 0.0], vec![3.0, 4.0]]) - 0.8).abs() < 1e-6);
        assert!(least_cosine(&a, &a[..1]) < 0.0);
    }
}
