internal import Glibc
internal import TelpherNIO
internal import TelpherProcess
package import TelpherTransport
internal import TelpherUV

/// A backend with real sockets and processes, and its way to find the processes of a command. It is
/// a parameter of many tests.
package enum SystemBackend: String, Sendable, CaseIterable {
  /// libuv, with control groups if the system allows them.
  case uv
  /// libuv, which finds processes by scanning /proc.
  case uvWalks = "uv, by walks"
  /// libuv, which starts processes with uv_spawn and finds them by scanning /proc.
  case uvSpawn = "uv, by uv_spawn"
  /// SwiftNIO and swift-subprocess, which finds processes by scanning /proc.
  case nio

  /// Each backend once.
  package static let all: [SystemBackend] = [.uv, .nio]

  /// The backends for slow tests: each once if TELPHER_SLOW is in the environment, otherwise libuv
  /// only.
  package static let whereHeavy: [SystemBackend] = getenv("TELPHER_SLOW") != nil ? all : [.uv]

  /// Creates a running loop.
  ///
  /// - Parameter startsPrograms: whether `spawn` must work on it.
  package func makeLoop(startsPrograms: Bool = false) throws -> any EventLoop {
    switch self {
    case .uv: try UVLoop(launcher: startsPrograms ? Launcher() : nil)
    case .uvWalks: try UVLoop(launcher: startsPrograms ? Launcher(scope: .descendants) : nil)
    case .uvSpawn:
      try UVLoop(
        launcher: startsPrograms ? Launcher(scope: .descendants) : nil, launchMethod: .uvSpawn)
    case .nio: NIOLoop(launcher: startsPrograms ? try SubprocessLauncher() : nil)
    }
  }

  /// The path of this package's program with this backend, in the folder of the test program.
  package var program: String { "\(Self.folder)/\(self == .nio ? "telpher-nio" : "telpher")" }

  private static let folder: String = {
    let path = [CChar](unsafeUninitializedCapacity: Int(PATH_MAX) + 1) { buffer, count in
      count = max(0, readlink("/proc/self/exe", buffer.baseAddress!, Int(PATH_MAX)))
    }
    let own = String(decoding: path.map(UInt8.init(bitPattern:)), as: UTF8.self)
    return own.split(separator: "/", omittingEmptySubsequences: false).dropLast()
      .joined(separator: "/")
  }()
}
