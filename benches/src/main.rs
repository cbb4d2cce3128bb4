//! `chaperone-bench`: runs scenarios, prints the figures, writes them under `benches/results/`.

use std::{path::PathBuf, time::Duration};

use benches::{
    report::Report,
    scenario::{self, Setting},
};
use clap::{Parser, ValueEnum};
use models::{Device, Precision};

/// Measures the built service against bare backends and peers.
#[derive(Parser)]
#[command(
    about,
    long_about = "Measures the built service against bare backends and peers.\n\n\
    Run it from the repository root after `cargo build --release`. Close other work first: rounds alternate and medians are\n\
    quoted, but a quiet machine still gives better figures."
)]
struct Arguments {
    /// What to measure; nothing named means all.
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// Alternating rounds per comparison.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Items of the chaos scenario.
    #[arg(long, default_value_t = 50_000)]
    items: usize,
    /// People of the scenario month.
    #[arg(long, default_value_t = 10_000)]
    people: usize,
    /// Profiles of the scenario neighbours, one measurement for each number.
    #[arg(long, value_delimiter = ',', default_value = "10000,100000")]
    profiles: Vec<usize>,
    /// In the scenario neighbours: make lists through the product, too (every profile is written to a store first).
    #[arg(long)]
    lists: bool,
    /// In the scenario neighbours: only the quantized index.
    #[arg(long)]
    quantized_only: bool,
    /// In the scenario neighbours: exact answers alone, no graphs.
    #[arg(long)]
    without_graphs: bool,
    /// In the scenario neighbours: threads that build graphs.
    #[arg(long, default_value_t = 2)]
    build_threads: usize,
    /// Seconds between two kills of the chaos scenario.
    #[arg(long, default_value_t = 2)]
    kill_every: u64,
    /// Models that judge texts in the scenario `analyze`; default: those of the service.
    #[arg(long, value_delimiter = ',')]
    text_models: Vec<String>,
    /// Milliseconds that judging a picture takes in the scenario chaos-slow.
    #[arg(long, default_value_t = 250)]
    picture_ms: u8,
    /// Repository root.
    #[arg(long, default_value = ".")]
    root: PathBuf,
    /// The `chaperone` binary; default: beside this one.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Model repository; default: `<root>/models/repository`.
    #[arg(long)]
    repository: Option<PathBuf>,
    /// Folder with other texts: sent16.jsonl, sent64.jsonl, sentences.jsonl, one JSON string per line.
    #[arg(long)]
    texts: Option<PathBuf>,
    /// Folder with other photos for the scenario `cascade`.
    #[arg(long)]
    photos: Option<PathBuf>,
    /// Minutes of the soak scenario.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Items that the scale scenario ends with.
    #[arg(long, default_value_t = 1_000_000)]
    scale_items: usize,
    /// What the device scenario measures: cpu, cuda:0, tensorrt:0.
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// What the device computes with: auto, fp32, bf16, fp16, int8.
    #[arg(long, default_value = "auto", value_parser = precision)]
    precision: Precision,
    /// Measure the bare text backend in this process and print JSON; used by the text scenario itself.
    #[arg(long, hide = true)]
    bare: bool,
    /// The same for the latency scenario: seconds per text.
    #[arg(long, hide = true)]
    bare_times: bool,
    /// The same for the frames scenario.
    #[arg(long, hide = true)]
    bare_frames: bool,
    /// Where the JSON goes; default: `<root>/benches/results`.
    #[arg(long)]
    results: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Embeddings over HTTP against the bare backend.
    Text,
    /// Texts of one length and of all lengths against onnxruntime, OpenVINO and sentence-transformers in process.
    Lengths,
    /// What the slowest in a hundred waits longer at half load.
    Latency,
    /// What a text costs besides the model.
    Front,
    /// A stream of chat against sending every text through an encoder.
    Stream,
    /// JPEG to verdict against nsfwjs.
    Frames,
    /// What the second opinion about pictures costs. Only when named.
    Cascade,
    /// `comments:analyze` at 20 a second, Poisson arrivals: latency from the moment at which a comment came. Only when named.
    Analyze,
    /// Resident memory, idle and with 10,000 uploads queued.
    Memory,
    /// 200 participants at 5 frames per second on one core: fairness, age, memory. Only when named.
    Storm,
    /// The same over a private RabbitMQ. Only when named.
    StormRabbitmq,
    /// A tick of live pairing with 10,000 people, an evening against first come first served, exploration, fairness. Only when named.
    Pairing,
    /// Who is near and fits both ways, among `--profiles`: recall, time, memory, disk, with and without quantization. Only when named.
    Neighbours,
    /// A simulated month of likes and passes, by ranker. Only when named.
    Month,
    /// Publish → recorded over private RabbitMQ and PostgreSQL servers. Only when named.
    Throughput,
    /// One core and two, short texts and long ones, a thousand items and a million. Only when named.
    Scale,
    /// Minutes of mixed load: is memory flat? Only when named.
    Soak,
    /// A device against the processor: parity and speed. Only when named.
    Device,
    /// Workers killed, servers restarted: what is lost? Only when named.
    Chaos,
    /// Workers killed while they are busy with slow pictures: who is taken for guilty? Only when named.
    ChaosSlow,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let root = arguments.root.canonicalize()?;
    let binary = match arguments.binary {
        Some(binary) => binary,
        None => std::env::current_exe()?.with_file_name("chaperone"),
    };
    let setting = Setting {
        binary,
        datasets: root.join("datasets"),
        peers: root.join("benches/peers"),
        repository: arguments.repository.unwrap_or_else(|| root.join("models/repository")),
        text_models: arguments.text_models,
        rounds: arguments.rounds,
        seconds: arguments.seconds,
        texts: arguments.texts,
        photos: arguments.photos,
        precision: arguments.precision,
    };
    if arguments.bare {
        return tell(&scenario::text::bare(&setting)?);
    }
    if arguments.bare_times {
        return tell(&scenario::latency::bare(&setting)?);
    }
    if arguments.bare_frames {
        return tell(&scenario::frames::bare(&setting)?);
    }
    let results = arguments.results.unwrap_or_else(|| root.join("benches/results"));
    let all = arguments.scenarios.is_empty();
    let wanted = |scenario| all || arguments.scenarios.contains(&scenario);
    let plan = |slow: bool| scenario::chaos::Plan {
        items: arguments.items,
        kill_every: Duration::from_secs(arguments.kill_every),
        picture_ms: if slow { arguments.picture_ms } else { 0 },
        restart_servers: !slow,
        name: if slow { "chaos-slow" } else { "chaos" },
    };
    let finish = |report: &Report| {
        report.print();
        report.write(&results)
    };
    if wanted(Scenario::Text) {
        finish(&scenario::text::run(&setting).await?)?;
    }
    if wanted(Scenario::Lengths) {
        finish(&scenario::lengths::run(&setting).await?)?;
    }
    if wanted(Scenario::Latency) {
        finish(&scenario::latency::run(&setting).await?)?;
    }
    if wanted(Scenario::Front) {
        finish(&scenario::front::run(&setting).await?)?;
    }
    if wanted(Scenario::Stream) {
        finish(&scenario::stream::run(&setting).await?)?;
    }
    if wanted(Scenario::Frames) {
        finish(&scenario::frames::run(&setting).await?)?;
    }
    if arguments.scenarios.contains(&Scenario::Cascade) {
        finish(&scenario::cascade::run(&setting).await?)?;
    }
    if arguments.scenarios.contains(&Scenario::Analyze) {
        finish(&scenario::analyze::run(&setting).await?)?;
    }
    if arguments.scenarios.contains(&Scenario::Storm) {
        finish(&scenario::storm::embedded(&setting).await?)?;
    }
    if arguments.scenarios.contains(&Scenario::StormRabbitmq) {
        finish(&scenario::storm::rabbitmq(&setting).await?)?;
    }
    if wanted(Scenario::Memory) {
        finish(&scenario::memory::run(&setting).await?)?;
    }
    if arguments.scenarios.contains(&Scenario::Pairing) {
        finish(&scenario::pairing::run(arguments.rounds))?;
    }
    if arguments.scenarios.contains(&Scenario::Month) {
        finish(&scenario::month::run(arguments.people, 30))?;
    }
    if arguments.scenarios.contains(&Scenario::Neighbours) {
        let plan = scenario::neighbours::Plan {
            lists: arguments.lists,
            quantized_only: arguments.quantized_only,
            without_graphs: arguments.without_graphs,
            threads: arguments.build_threads,
        };
        finish(&scenario::neighbours::run(&arguments.profiles, plan).await?)?;
    }
    if arguments.scenarios.contains(&Scenario::Throughput) {
        finish(&scenario::throughput::run(&setting).await?)?;
    }
    if arguments.scenarios.contains(&Scenario::Scale) {
        finish(&scenario::scale::run(&setting, arguments.scale_items).await?)?;
    }
    if arguments.scenarios.contains(&Scenario::Soak) {
        finish(&scenario::soak::run(&setting, Duration::from_secs_f64(60.0 * arguments.minutes)).await?)?;
    }
    if arguments.scenarios.contains(&Scenario::Device) {
        let plan = scenario::device::Plan { device: arguments.device, precision: arguments.precision };
        finish(&scenario::device::run(&setting, plan).await?)?;
    }
    if arguments.scenarios.contains(&Scenario::Chaos) {
        finish(&scenario::chaos::run(&setting, plan(false)).await?)?;
    }
    if arguments.scenarios.contains(&Scenario::ChaosSlow) {
        finish(&scenario::chaos::run(&setting, plan(true)).await?)?;
    }
    Ok(())
}

/// Prints what the parent process reads.
#[expect(clippy::print_stdout, reason = "read by the parent process")]
fn tell(found: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(found)?);
    Ok(())
}

fn precision(text: &str) -> Result<Precision, String> {
    [Precision::Auto, Precision::Fp32, Precision::Bf16, Precision::Fp16, Precision::Int8]
        .into_iter()
        .find(|precision| precision.as_str() == text)
        .ok_or_else(|| format!("there is no precision `{text}`: write auto, fp32, bf16, fp16 or int8"))
}
