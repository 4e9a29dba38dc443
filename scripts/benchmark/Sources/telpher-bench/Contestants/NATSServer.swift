internal import Glibc

/// A nats-server with JetStream on loopback that this run starts. It flushes each message to the disk
/// before it confirms it.
final class NATSServer: Sendable {
  let program: Program
  let port: UInt16

  /// The reason why there is no server; nil if there is one.
  static var absence: String? {
    Tool.find("nats-server") == nil ? "nats-server is not installed" : nil
  }

  /// Starts a server without users, with a folder of its own.
  ///
  /// - Throws: `Failure` if it does not start.
  convenience init(_ bench: Bench) throws(Failure) {
    let port = try Tool.freePort()
    let configuration = try bench.folder.write(
      """
      server_name: bench
      listen: "127.0.0.1:\(port)"
      jetstream { store_dir: "\(bench.folder("nats"))", sync_interval: always }

      """, to: "nats.conf")
    try self.init(configuration: configuration, port: port, log: bench.folder("nats.log"))
  }

  /// Starts a server with a configuration that lets it listen at `port` of 127.0.0.1.
  ///
  /// - Throws: `Failure` if it does not start.
  init(configuration: String, port: UInt16, log: String) throws(Failure) {
    self.port = port
    program = try Program(["nats-server", "-c", configuration, "-l", log])
    try Tool.waitForListener(at: port, of: "nats-server")
  }

  /// Ends the server.
  func stop() { program.stop() }

  /// What a worker does with a job.
  enum Work: String {
    /// Acknowledges it.
    case acknowledgement = "queue"
    /// Writes two records about it before, as a worker of a fleet does.
    case records
  }

  /// Lets a program in C move jobs through a queue, with the messages of a fleet and without Telpher.
  ///
  /// - Returns: jobs per second, and how long each took.
  func move(_ load: FleetLoad, _ work: Work, _ bench: Bench) throws(Failure) -> Sample {
    let lines = try Program.lines(of: [
      bench.program("bench-queue-c"), work.rawValue, "\(port)", "\(load.workers)",
      "\(load.inFlight)", "\(load.jobs)", "\(load.length)",
    ])
    return try Sample("jobs_per_second", in: lines)
  }
}
