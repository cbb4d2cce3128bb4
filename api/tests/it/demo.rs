//! `chaperone demo --fast` as a stranger runs it: the real binary, the real models, everything through HTTP.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The fetched models: `CHAPERONE_MODELS`, else the workspace's own.
fn models() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let repository = std::env::var_os("CHAPERONE_MODELS").map_or(workspace.join("models/repository"), PathBuf::from);
    assert!(repository.join("embed-minilm").is_dir(), "{} has no models: run `make models`", repository.display());
    repository
}

fn chaperone(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaperone"));
    command.args(arguments).current_dir(folder).env("CHAPERONE_MODELS__REPOSITORY", models()).env("NO_COLOR", "1");
    if let Some(library) = std::env::var_os("CHAPERONE_ORT") {
        command.env("CHAPERONE_MODELS__ONNXRUNTIME", library);
    }
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn f2_t1_t2_t3_x1_the_demo_tells_its_whole_story() {
    let folder = tempfile::tempdir().unwrap();
    let output = chaperone(folder.path(), &["demo", "--fast", "--burst", "160"]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");

    let line = |start: &str| {
        stdout.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no `{start}` in\n{stdout}"))
    };
    // 60 messages, and 14 frames of which none comes after the disconnect.
    assert!(line("items").contains("74 items judged"), "{}", line("items"));
    assert!(line("throughput").contains("160 more texts"), "{}", line("throughput"));
    assert!(!line("context").contains(" 0 flagged"), "{}", line("context"));
    assert_eq!(line("call"), "call        olaf: warn, warn, disconnect");
    assert!(line("matches").contains("9 found among 40 people"), "{}", line("matches"));
    assert!(
        stdout.contains("the small model alone suspects nudity") && stdout.contains("this demo's own rule"),
        "the table is honest about false alarms and about its own rule"
    );

    // What a platform sees of it: the second opinion cleared what the small model suspects, and the demo's own rule flagged the rest.
    let frames: Vec<&str> = stdout.lines().filter(|line| line.contains("  frame  ")).collect();
    assert_eq!(frames.len(), 14);
    assert!(frames.iter().all(|line| line.contains("flagged") == line.contains("**")), "{frames:#?}");
    let cleared = frames.iter().filter(|line| line.contains("first.porn") && line.contains("fine")).count();
    assert_eq!(cleared, 3, "{frames:#?}");
    // Logs stay out of the table, and their file exists.
    assert!(!stdout.contains("INFO") && !stderr.contains("INFO"), "{stderr}");
    assert!(folder.path().join("data/demo.log").is_file());
    assert_eq!(
        std::fs::read_dir(folder.path().join("data")).unwrap().count(),
        1,
        "the log is all that it leaves behind"
    );
}

#[test]
fn t1_check_judges_lines_and_tells_of_bad_ones() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "{\"text\":\"have a lovely day\",\"id\":7}\nnot json\n{\"text\":\"you are a stupid idiot, shut up\"}\n{\"text\":\"\"}\n";
    std::fs::write(folder.path().join("in.jsonl"), lines).unwrap();

    let output = chaperone(folder.path(), &["check", "in.jsonl", "--out", "out.jsonl"]);
    assert_eq!(output.status.code(), Some(1), "a bad line is a failure: {}", text(&output.stderr));
    let results = std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    let results: Vec<serde_json::Value> = results.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(results.len(), 4);
    assert_eq!((&results[0]["id"], &results[0]["flagged"]), (&7.into(), &false.into()));
    assert_eq!((&results[1]["source"], &results[1]["error"]["code"]), (&"in.jsonl:2".into(), &"unreadable".into()));
    assert_eq!(results[2]["flagged"], true);
    assert!(results[3]["error"]["code"].is_string(), "empty text is refused with a code: {}", results[3]);
    assert!(text(&output.stderr).contains("2 judged, 1 flagged, 2 errors"), "{}", text(&output.stderr));

    let flagged = chaperone(folder.path(), &["check", "you are a stupid idiot, shut up", "--fail-on-flag"]);
    assert_eq!(flagged.status.code(), Some(3), "{}", text(&flagged.stderr));
    assert!(!folder.path().join("data").exists(), "check leaves nothing behind");
}

#[test]
fn f1_check_judges_a_folder_of_pictures() {
    let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/demo/frames");
    let folder = tempfile::tempdir().unwrap();
    let output = chaperone(folder.path(), &["check", photos.to_str().unwrap(), "--format", "jsonl"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let flagged: Vec<String> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|result| result["flagged"] == true)
        .map(|result| Path::new(result["source"].as_str().unwrap()).file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(flagged, [""; 0], "the small model alone would flag three: the second opinion clears them");
}
