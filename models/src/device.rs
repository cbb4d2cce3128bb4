//! Where a model computes: what the configuration asks for, what the machine has, and what comes of it. Pure, but for
//! [`Hardware::look`].

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::ModelError;

/// Where a model computes: `auto`, `cpu`, `cuda:0`, `tensorrt:0`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    /// The first GPU when its driver and libraries are here, else the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// An NVIDIA GPU, by number, through CUDA.
    Cuda(u32),
    /// An NVIDIA GPU, by number, through TensorRT; what TensorRT does not know runs through CUDA.
    TensorRt(u32),
}

impl Device {
    /// Does it need a GPU?
    pub fn is_gpu(self) -> bool {
        matches!(self, Self::Cuda(_) | Self::TensorRt(_))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::TensorRt(number) => write!(f, "tensorrt:{number}"),
        }
    }
}

impl From<Device> for String {
    fn from(device: Device) -> Self {
        device.to_string()
    }
}

impl TryFrom<String> for Device {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, number) = text.split_once(':').unwrap_or((text, "0"));
        let unknown = || format!("there is no device `{text}`: write auto, cpu, cuda:0 or tensorrt:0");
        let number: u32 = number.parse().map_err(|_| unknown())?;
        match kind {
            "auto" if text == kind => Ok(Self::Auto),
            "cpu" if text == kind => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(number)),
            "tensorrt" => Ok(Self::TensorRt(number)),
            _ => Err(unknown()),
        }
    }
}

/// Flags of processors that multiply 16-bit floats faster than 32-bit ones: matrix units (Intel since Sapphire Rapids), or dot products
/// in AVX-512 (Intel Cooper Lake, AMD since Zen 4).
pub const BF16_FLAGS: [&str; 2] = ["amx_bf16", "avx512_bf16"];

/// What this machine has that changes where and how a model computes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hardware {
    /// Processor flags, as Linux names them.
    pub flags: Vec<String>,
    /// NVIDIA GPUs that the driver shows.
    pub gpus: u32,
    /// Folder of the ONNX Runtime library, where its providers lie.
    pub providers: PathBuf,
    /// ONNX Runtime's CUDA provider is there.
    pub cuda_provider: bool,
    /// ONNX Runtime's TensorRT provider is there.
    pub tensorrt_provider: bool,
    /// OpenVINO's C library, when it is there.
    pub openvino: Option<PathBuf>,
}

impl Hardware {
    /// Looks around. `openvino` is where its C library would be.
    pub fn look(onnxruntime: &Path, openvino: &Path) -> Self {
        let providers = onnxruntime.parent().unwrap_or(Path::new(".")).to_path_buf();
        let has = |name: &str| providers.join(name).is_file();
        Self {
            flags: processor_flags(),
            gpus: count_gpus(Path::new("/dev")),
            cuda_provider: has("libonnxruntime_providers_cuda.so"),
            tensorrt_provider: has("libonnxruntime_providers_tensorrt.so"),
            openvino: openvino.is_file().then(|| openvino.into()),
            providers,
        }
    }

    /// Has it instructions for products of 16-bit floats ([`BF16_FLAGS`])?
    pub fn multiplies_bf16(&self) -> bool {
        BF16_FLAGS.iter().any(|flag| self.has(flag))
    }

    /// Has the processor this flag?
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|found| found == flag)
    }

    /// The device that a wish comes to, never [`Device::Auto`]; an error says what is missing and where to get it.
    pub fn resolve(&self, wish: Device) -> Result<Device, ModelError> {
        let (number, present, file) = match wish {
            Device::Cpu => return Ok(Device::Cpu),
            Device::Auto if self.gpus > 0 && self.cuda_provider => return Ok(Device::Cuda(0)),
            Device::Auto => return Ok(Device::Cpu),
            Device::Cuda(number) => (number, self.cuda_provider, "libonnxruntime_providers_cuda.so"),
            Device::TensorRt(number) => (number, self.tensorrt_provider, "libonnxruntime_providers_tensorrt.so"),
        };
        let missing = |message: String| Err(ModelError::Backend { backend: "ort", message });
        if !present {
            return missing(format!(
                "`device = \"{wish}\"` needs {file} in {}: take the libraries from the package onnxruntime-gpu \
                 (docs/gpu.md) and name its library in `models.onnxruntime`, or write `device = \"cpu\"`",
                self.providers.display()
            ));
        }
        if number >= self.gpus {
            return missing(format!(
                "`device = \"{wish}\"` needs NVIDIA GPU {number}, and the driver shows {} (`nvidia-smi -L` lists them; in a \
                 container start it with `--gpus all`): install the driver, correct the number, or write `device = \"auto\"`",
                self.gpus
            ));
        }
        Ok(wish)
    }
}

/// Flags of this machine's processor, as Linux names them; none elsewhere.
pub fn processor_flags() -> Vec<String> {
    parse_flags(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
}

fn parse_flags(cpuinfo: &str) -> Vec<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    let (_, flags) = line.split_once(':').unwrap_or_default();
    flags.split_whitespace().map(String::from).collect()
}

/// NVIDIA's driver makes `nvidia0`, `nvidia1`, …; under WSL one device stands for all.
fn count_gpus(dev: &Path) -> u32 {
    let numbered = (0..64).take_while(|number| dev.join(format!("nvidia{number}")).exists()).count();
    let any = usize::from(dev.join("dxg").exists());
    u32::try_from(numbered.max(any)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_and_written_alike() {
        for text in ["auto", "cpu", "cuda:0", "cuda:3", "tensorrt:1"] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cpu:0", "auto:1", "CUDA:0"] {
            let message = text.parse::<Device>().unwrap_err();
            assert!(message.contains("write auto, cpu, cuda:0 or tensorrt:0"), "{message}");
        }
    }

    fn machine(gpus: u32, cuda_provider: bool, tensorrt_provider: bool) -> Hardware {
        Hardware { gpus, cuda_provider, tensorrt_provider, providers: "/opt/lib".into(), ..Hardware::default() }
    }

    #[test]
    fn i6_a_wish_comes_to_what_the_machine_has() {
        let cases = [
            (machine(0, false, false), Device::Auto, Device::Cpu),
            (machine(2, false, false), Device::Auto, Device::Cpu),
            (machine(0, true, true), Device::Auto, Device::Cpu),
            (machine(1, true, false), Device::Auto, Device::Cuda(0)),
            (machine(1, true, true), Device::Cpu, Device::Cpu),
            (machine(2, true, false), Device::Cuda(1), Device::Cuda(1)),
            (machine(1, true, true), Device::TensorRt(0), Device::TensorRt(0)),
        ];
        for (machine, wish, expected) in cases {
            assert_eq!(machine.resolve(wish).unwrap(), expected, "{wish} on {machine:?}");
        }
    }

    #[test]
    fn i6_a_missing_library_or_gpu_is_said_with_its_cure() {
        let message = |machine: Hardware, wish| machine.resolve(wish).unwrap_err().to_string();
        let library = message(machine(1, false, false), Device::Cuda(0));
        assert!(
            library.contains("libonnxruntime_providers_cuda.so in /opt/lib") && library.contains("onnxruntime-gpu")
        );
        assert!(message(machine(1, true, false), Device::TensorRt(0)).contains("providers_tensorrt.so"));
        let none = message(machine(0, true, true), Device::Cuda(0));
        assert!(none.contains("the driver shows 0") && none.contains("device = \"auto\""), "{none}");
        assert!(message(machine(1, true, true), Device::Cuda(1)).contains("GPU 1, and the driver shows 1"));
    }

    #[test]
    fn flags_and_gpus_are_found() {
        assert_eq!(parse_flags("model name : x\nflags\t\t: fpu amx_bf16\nflags : none\n"), ["fpu", "amx_bf16"]);
        let dev = tempfile::tempdir().unwrap();
        assert_eq!(count_gpus(dev.path()), 0);
        for name in ["nvidia0", "nvidia1", "nvidia3", "nvidiactl"] {
            std::fs::write(dev.path().join(name), "").unwrap();
        }
        assert_eq!(count_gpus(dev.path()), 2, "numbers without a gap");
    }
}
