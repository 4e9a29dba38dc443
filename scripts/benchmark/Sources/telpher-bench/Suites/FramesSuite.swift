internal import TelpherTransport

/// Measures round trips of small frames: the cost of the transport, the frames and flow control.
struct FramesSuite: Suite {
  static let name = "frames"
  static let title = "Round trips of frames of 64 bytes per second, over TCP"

  func run(_ bench: Bench) async throws -> [ComparisonResult] {
    let limit = try EchoProgram([bench.program("bench-echo-c")])
    let echoes = try Backend.allCases.map { backend in
      let command = [bench.program("telpher-bench"), "echo", "--backend", backend.rawValue]
      return (backend, try EchoProgram(command))
    }
    let servers = try Backend.allCases.map { try ServerProgram($0, bench) }
    defer {
      limit.program.stop()
      echoes.forEach { $1.program.stop() }
      servers.forEach { $0.stop() }
    }
    let seconds = bench.pick(2, quick: 0.2)
    var results: [ComparisonResult] = []
    for (connections, depth) in bench.pick(
      [(1, 1), (64, 1), (1_000, 1), (64, 32)], quick: [(64, 1)])
    {
      var comparison = Comparison(Self.title(connections, depth), unit: "round trips/s")
      let load = FrameLoad(kind: .data, connections: connections, depth: depth, seconds: seconds)
      comparison.setLimit { try load.run(bench, port: limit.port, .none) }
      for (backend, echo) in echoes {
        comparison.add(backend.rawValue) {
          try load.run(bench, port: echo.port, .hello)
        }
      }
      results.append(await bench.compare(comparison))
    }
    for depth in bench.pick([1, 32], quick: [32]) {
      var comparison = Comparison(
        "PING to the whole server, " + Self.title(64, depth), unit: "round trips/s")
      let load = FrameLoad(kind: .ping, connections: 64, depth: depth, seconds: seconds)
      comparison.setLimit { try load.run(bench, port: limit.port, .none) }
      for server in servers {
        comparison.add(server.backend.rawValue) {
          try load.run(bench, port: server.tcp.port, .proof(try server.token()))
        }
      }
      results.append(await bench.compare(comparison))
    }
    return results
  }

  private static func title(_ connections: Int, _ depth: Int) -> String {
    let noun = connections == 1 ? "connection" : "connections"
    return "\(connections) \(noun)" + (depth == 1 ? "" : ", pipelined by \(depth)")
  }
}

/// A running echo server.
struct EchoProgram: Sendable {
  let program: Program
  let port: UInt16

  init(_ command: [String], environment: [String: String] = [:]) throws {
    program = try Program(command, environment: environment, output: .pipe)
    port = try SocketAddress(parsing: try program.readLine(after: "listening on ")).port
  }
}
