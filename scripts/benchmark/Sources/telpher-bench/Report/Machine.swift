internal import CTelpherSys
internal import Glibc

/// The machine that the figures come from.
struct Machine: Codable {
  var processor: String
  var cores: Int
  var memoryGiB: Double
  var system: String
  /// The load average of the minute before the run. Above about 0.5 the figures are not reliable.
  var loadAtStart: Double
  /// The versions of the programs that Telpher is compared with, by name.
  var versions: [String: String]

  /// Reads the data of this machine.
  init() {
    let information = readText("/proc/cpuinfo") ?? ""
    processor = Self.value(of: "model name", in: information, separator: ":") ?? "unknown"
    cores = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    let memory = Self.value(of: "MemTotal", in: readText("/proc/meminfo") ?? "", separator: ":")
    let kibibytes = memory?.split(separator: " ").first.flatMap { Double($0) } ?? 0
    memoryGiB = (kibibytes / 1_048_576 * 10).rounded() / 10
    let name = Self.value(of: "PRETTY_NAME", in: readText("/etc/os-release") ?? "", separator: "=")
    let kernel = (readText("/proc/sys/kernel/osrelease") ?? "").prefix { $0 != "\n" }
    system = "\(name?.filter { $0 != "\"" } ?? "Linux"), \(kernel)"
    let load = (readText("/proc/loadavg") ?? "").split(separator: " ").first
    loadAtStart = load.flatMap { Double($0) } ?? 0
    versions = [:]
    let tools = [
      "ssh": ["ssh", "-V"], "rsync": ["rsync", "--version"], "socat": ["socat", "-V"],
      "strace": ["strace", "-V"],
    ]
    for (name, arguments) in tools where Tool.find(name) != nil {
      versions[name] = Self.firstLine(of: arguments)
    }
  }

  private static func value(of name: String, in text: String, separator: Character) -> String? {
    for line in text.split(separator: "\n") where line.hasPrefix(name) {
      guard let at = line.firstIndex(of: separator) else { continue }
      return String(line[line.index(after: at)...].drop { $0 == " " || $0 == "\t" })
    }
    return nil
  }

  private static func firstLine(of arguments: [String]) -> String? {
    // ssh prints its version on standard error.
    let line = "exec \(arguments.joined(separator: " ")) 2>&1"
    let lines = try? Program.lines(of: ["/bin/sh", "-c", line], within: 10)
    return lines?.first { !$0.isEmpty && !$0.hasPrefix("socat by") }
  }
}
