internal import Glibc
internal import TelpherNIO
internal import TelpherSystem
public import TelpherTransport
internal import TelpherUV

/// A backend over the operating system, and the way it keeps track of processes: what tests of real
/// sockets and processes run on, by parameter.
public enum SystemBackend: String, Sendable, CaseIterable {
  /// libuv, with control groups where they can be had.
  case uv
  /// libuv, where processes are found by walks.
  case uvWalks = "uv, by walks"
  /// libuv, which starts processes by uv_spawn: that knows only walks.
  case uvSpawn = "uv, by uv_spawn"
  /// SwiftNIO and swift-subprocess, which knows only walks.
  case nio

  /// Each backend once.
  public static let all: [SystemBackend] = [.uv, .nio]

  /// For what takes seconds: each backend once with TELPHER_SLOW=1 in the environment, else libuv.
  public static let whereHeavy: [SystemBackend] = getenv("TELPHER_SLOW") != nil ? all : [.uv]

  /// A running loop.
  ///
  /// - Parameter startsPrograms: whether `spawn` must work on it.
  public func makeLoop(startsPrograms: Bool = false) throws -> any EventLoop {
    switch self {
    case .uv: try UVLoop(launcher: startsPrograms ? Launcher() : nil)
    case .uvWalks: try UVLoop(launcher: startsPrograms ? Launcher(scope: .descendants) : nil)
    case .uvSpawn:
      try UVLoop(
        launcher: startsPrograms ? Launcher(scope: .descendants) : nil, launchSite: .uvSpawn)
    case .nio: NIOLoop(launcher: startsPrograms ? try SubprocessLauncher() : nil)
    }
  }

  /// The program of this package that runs on it: beside the tests.
  public var program: String { "\(Self.folder)/\(self == .nio ? "telpher-nio" : "telpher")" }

  private static let folder: String = {
    let path = [CChar](unsafeUninitializedCapacity: Int(PATH_MAX) + 1) { buffer, count in
      count = max(0, readlink("/proc/self/exe", buffer.baseAddress!, Int(PATH_MAX)))
    }
    let own = String(decoding: path.map(UInt8.init(bitPattern:)), as: UTF8.self)
    return own.split(separator: "/", omittingEmptySubsequences: false).dropLast()
      .joined(separator: "/")
  }()
}
