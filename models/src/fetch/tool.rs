//! Running a package manager while watching what it downloads.

use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    time::Duration,
};

use super::Cancel;

/// How often sizes and the cancel flag are looked at.
const POLL: Duration = Duration::from_millis(100);
/// Lines that are kept of each output.
const KEPT: usize = 200;
/// Longer lines are cut.
const LINE: u64 = 4096;

/// Why a tool did not do its work.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is not on this machine.
    NotInstalled,
    /// Somebody raised the flag; the tool was killed.
    Cancelled,
    /// It could not be run.
    Io(io::Error),
    /// It gave up. The last lines of its standard output, then of its standard error.
    GaveUp(Vec<String>),
}

/// Runs `command` to its end. `grown` is told about ten times a second how many bytes the largest file in `watched`
/// has: a package manager writes into a temporary file first and moves or copies it later.
pub(super) fn run(mut command: Command, watched: &Path, cancel: &Cancel, grown: &dyn Fn(u64)) -> Result<(), Failure> {
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::NotInstalled,
        _ => Failure::Io(error),
    })?;
    let (sender, lines) = sync_channel(64);
    let readers = [
        child.stdout.take().map(|out| forward(0, out, sender.clone())),
        child.stderr.take().map(|out| forward(1, out, sender)),
    ];
    // Apart, so that a flood on the one never washes away what the other said.
    let mut kept = [const { VecDeque::new() }; 2];
    loop {
        match lines.recv_timeout(POLL) {
            Ok((output, line)) => {
                let kept: &mut VecDeque<String> = &mut kept[output];
                if kept.len() == KEPT {
                    kept.pop_front();
                }
                kept.push_back(line);
            }
            Err(RecvTimeoutError::Timeout) => grown(largest_file(watched)),
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if cancel.is_cancelled() {
            // Fails only if the child has ended by itself.
            let _ = child.kill();
            let _ = child.wait();
            return Err(Failure::Cancelled);
        }
    }
    for reader in readers.into_iter().flatten() {
        // A reader ends with its pipe; it has nothing to report.
        let _ = reader.join();
    }
    let status = child.wait().map_err(Failure::Io)?;
    if status.success() { Ok(()) } else { Err(Failure::GaveUp(kept.into_iter().flatten().collect())) }
}

/// Sends the lines of one output (0: standard output, 1: standard error). Goes on reading when nobody listens, so that the child never blocks on a full pipe.
fn forward(
    output: usize,
    out: impl Read + Send + 'static,
    lines: SyncSender<(usize, String)>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut out = BufReader::new(out);
        let mut line = Vec::new();
        while let Ok(1..) = out.by_ref().take(LINE).read_until(b'\n', &mut line) {
            let text = String::from_utf8_lossy(&line).trim().to_owned();
            if !text.is_empty() {
                let _ = lines.send((output, text));
            }
            line.clear();
        }
    })
}

/// Size of the largest file below `folder`, 0 if there is none.
fn largest_file(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => largest_file(&entry.path()),
        Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |data| data.len()),
        _ => 0,
    };
    entries.flatten().map(size).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn failure_keeps_the_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let Err(Failure::GaveUp(lines)) =
            run(sh("seq 1000; echo the cause >&2; exit 3"), folder.path(), &Cancel::new(), &|_| {})
        else {
            panic!("exit status ignored")
        };
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (KEPT + 1, Some("the cause")));
    }

    #[test]
    fn growing_files_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let seen = std::cell::Cell::new(0);
        let mut command = sh("mkdir -p a/b; printf 12345 > a/b/part; sleep 1");
        command.current_dir(folder.path());
        run(command, folder.path(), &Cancel::new(), &|bytes| seen.set(bytes)).unwrap();
        assert_eq!(seen.get(), 5);
    }

    #[test]
    fn cancel_kills_the_tool() {
        let folder = tempfile::tempdir().unwrap();
        let cancel = Cancel::new();
        let result = run(sh("exec sleep 600"), folder.path(), &cancel, &|_| cancel.cancel());
        assert!(matches!(result, Err(Failure::Cancelled)));
    }

    #[test]
    fn missing_tool_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let result = run(Command::new("no-such-tool-here"), folder.path(), &Cancel::new(), &|_| {});
        assert!(matches!(result, Err(Failure::NotInstalled)));
    }
}
