internal import ArgumentParser
internal import TelpherClient

/// `telpher ping`
struct PingCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ping", abstract: "Measures the round-trip time to a server.")

  /// The numbers that `--count` takes.
  static let counts = 1...1_000_000

  @OptionGroup var server: ServerOptions

  @Option(help: ArgumentHelp("How many times to ask the server; 1 by default.", valueName: "n"))
  var count = 1

  @Flag(help: "Prints one JSON object with all times, in milliseconds.")
  var json = false

  func validate() throws {
    guard Self.counts.contains(count) else {
      throw ValidationError("--count must be from 1 to 1000000")
    }
  }

  func run() async throws {
    try await Self.run(on: server.settings, count: count, json: json)
  }

  /// Asks the server `count` times and prints the times, as one JSON object if `json` is true.
  ///
  /// - Throws: `Failure`.
  static func run(on server: ServerSettings, count: Int, json: Bool) async throws(Failure) {
    do {
      let reached = try await ServerReach(settings: server).connect(embeddedServer: .forbidden)
      let (connection, name) = (reached.connection, reached.name)
      var report = PingReport(address: name, timesMS: [])
      for _ in 0..<count {
        let time = try await connection.ping() / .milliseconds(1)
        report.timesMS.append(time)
        if !json {
          try Descriptor.output.print("answer from \(name) in \(PingReport.text(time)) ms\n")
        }
      }
      if json { try JSONText.print(report) }
    } catch {
      throw Failure(error)
    }
  }
}

/// What `ping --json` prints.
struct PingReport: Encodable {
  /// The address of the server.
  var address: String
  /// How long each answer took, in milliseconds.
  var timesMS: [Double]

  enum CodingKeys: String, CodingKey {
    case address
    case timesMS = "times_ms"
  }

  /// Milliseconds with three decimals.
  static func text(_ milliseconds: Double) -> String {
    let microseconds = Int((milliseconds * 1_000).rounded())
    let decimals = String(microseconds % 1_000)
    return "\(microseconds / 1_000).\(String(repeating: "0", count: 3 - decimals.count))\(decimals)"
  }
}
