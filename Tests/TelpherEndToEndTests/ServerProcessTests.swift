import Glibc
import TelpherClient
import TelpherTestSupport
import TelpherTransport
import Testing

/// A server process with inherited signal settings, and as the first process of a container.
@Suite struct ServerProcessTests {
  /// `ServerProcess.with` ends the server with SIGTERM, which the wrapper ignores.
  @Test(arguments: SystemBackend.all)
  func inheritedSignalSettingsAreReset(_ backend: SystemBackend) async throws {
    let wrapper = ["env", "--block-signal", "--ignore-signal=TERM,USR1,CHLD,ALRM,XFSZ"]
    try await ServerProcess.with(backend, wrapper: wrapper) { server in
      let connection = try await server.connect()
      let status = text("/proc/\(server.view.pid)/status").split(separator: "\n")
      #expect(status.contains("SigBlk:\t0000000000000000"))
      // The server ignores SIGXFSZ but resets SIGUSR1.
      let ignored = status.first { $0.hasPrefix("SigIgn:") }?.dropFirst("SigIgn:\t".count)
      let set = ignored.flatMap { UInt64($0, radix: 16) } ?? .max
      #expect(set & (1 << UInt64(SIGUSR1 - 1)) == 0)
      #expect(set & (1 << UInt64(SIGXFSZ - 1)) != 0)
      // Its commands have the defaults of all signals except 32 and 33, which the C library uses.
      let result = try await connection.run(
        Command("sed", "-n", "s/^Sig[BI][lg][kn]:.*\\(.\\{8\\}\\)/\\1/p", "/proc/self/status"))
      #expect(
        String(decoding: result.output, as: UTF8.self) == "00000000\n00000000\n"
          || String(decoding: result.output, as: UTF8.self) == "00000000\n80000000\n")
    }
  }

  /// The first process of a container becomes the parent of all orphans, also with control groups.
  @Test(.enabled(if: geteuid() == 0), arguments: SystemBackend.all)
  func theFirstProcessOfAPIDNamespaceWaitsForOrphans(_ backend: SystemBackend) async throws {
    let socket = "/tmp/telpher-test-\(UInt64.random(in: 0 ... .max)).sock"
    defer { unlink(socket) }
    let container = try LocalProgram([
      "unshare", "--pid", "--fork", "--mount-proc", "--kill-child", backend.program, "serve",
      "--listen", "unix:\(socket)", "--log-level", "critical",
    ])
    #expect(try await container.line() == "listening on unix:\(socket)")
    let server = ProcessView(pid: try #require(container.view.children.first))
    let loop = try backend.makeLoop()
    let connection = try await Connection.connect(to: .socket(.unix(path: socket)), on: loop)
    #expect(try await connection.run(Command(shell: "echo $PPID")).output == Array("1\n".utf8))
    let orphans = "for i in 1 2 3 4 5; do setsid -f sleep 0; done"
    #expect(try await connection.run(Command(shell: orphans)).result.status == .exited(0))
    // The guard is also an orphan, and keeps running.
    try await eventually("orphans are waited for") {
      server.children.allSatisfy { text("/proc/\($0)/comm") == "telpher-guard\n" }
    }
    await loop.shutDown()
    kill(server.pid, SIGTERM)
    kill(server.pid, SIGTERM)
    try await eventually("the server ends") { container.exit == .exited(code: 0) }
  }
}
