import Glibc
import TelpherTestSupport
import Testing

/// A connection to the program that makes one system call of another program fail
/// (Tests/FaultInjector/main.c).
final class FaultInjector {
  /// The path of the program, in the folder of the test program.
  static let program = SystemBackend.uv.program.dropLast("telpher".count) + "fault-injector"

  /// Whether the kernel allows it to intercept system calls; it does not if another tool already
  /// does.
  static let isPossible =
    LocalShell.run([String(program), "-", "--", "/bin/true"], environment: []) == .exited(0)

  private let socket: Int32

  /// Connects to the injector that waits at `path`.
  init(at path: String) async throws {
    let made = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    socket = made
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    try await eventually("the fault injector listens") {
      withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(made, $0, size) }
      } == 0
    }
  }

  deinit { close(socket) }

  /// Starts counting the calls of `call`; makes call number `turn` fail with `error`.
  func arm(_ call: String, _ error: Int32, _ turn: Int) throws {
    let answer = try ask("arm \(call) \(error) \(turn)\n")
    try #require(answer == "ok\n")
  }

  /// Stops making calls fail. Returns the number of calls.
  func stop() throws -> Int {
    let answer = try ask("stop\n")
    return try #require(Int(answer.dropLast()))
  }

  private func ask(_ line: String) throws -> String {
    try #require(send(socket, line, line.utf8.count, Int32(MSG_NOSIGNAL)) > 0)
    let answer = [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
      count = max(0, recv(socket, buffer.baseAddress, buffer.count, 0))
    }
    return String(decoding: answer, as: UTF8.self)
  }
}
