import CLibUV
import Glibc
import TelpherSystem
import TelpherTransport
import TelpherUV

/// Runs `body` with a loop, and ends the loop after it.
func withLoop<Result>(
  launcher: Launcher? = nil, launchSite: UVLoop.LaunchSite = .workerThreads,
  _ body: (UVLoop) async throws -> Result
) async throws -> Result {
  let loop = try UVLoop(launcher: launcher, launchSite: launchSite)
  let result: Result
  do {
    result = try await body(loop)
  } catch {
    await loop.shutDown()
    throw error
  }
  await loop.shutDown()
  return result
}

extension UVLoop {
  /// Runs `body` on the loop and returns what it passes to its argument, now or in a callback.
  func run<Result: Sendable>(
    _ body: @escaping @Sendable (_ done: @escaping @Sendable (Result) -> Void) -> Void
  ) async -> Result {
    await withCheckedContinuation { continuation in
      execute { body { continuation.resume(returning: $0) } }
    }
  }

  /// A client's and a server's end of a connection to `address` (port 0 and all).
  func connectPair(
    _ address: SocketAddress = .tcp(host: "127.0.0.1", port: 0),
    _ body: @escaping (_ client: any ByteStream, _ server: any ByteStream) -> Void
  ) {
    let socket = try! bind(to: address, backlog: 128)
    var ends: (client: (any ByteStream)?, server: (any ByteStream)?)
    var listener: (any Listener)?
    func check() {
      guard let client = ends.client, let server = ends.server else { return }
      listener?.close()
      listener = nil
      socket.close()
      body(client, server)
    }
    listener = try! serve(socket) {
      ends.server = $0
      check()
    }
    connect(to: socket.address) {
      ends.client = try! $0.get()
      check()
    }
  }
}

extension ByteStream {
  /// Writes `text`.
  @discardableResult
  func send(_ text: String) -> Bool {
    write(UnsafeRawBufferPointer(start: nil, count: 0), Chunk(text))
  }
}

/// A pipe: what is written to `output` is read from `input`. Both block, and no other test's child
/// inherits them, which would keep the pipe from ending.
func makePipe() -> (input: Int32, output: Int32) {
  var ends: [Int32] = [-1, -1]
  precondition(uv_pipe(&ends, 0, 0) == 0)
  return (ends[0], ends[1])
}

/// A path for a Unix socket in a folder of its own, which is removed after `body`.
func withSocketPath<Result>(_ body: (String) async throws -> Result) async throws -> Result {
  var template = Array("/tmp/telpher-XXXXXX".utf8CString)
  precondition(mkdtemp(&template) != nil)
  let folder = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  defer {
    unlink(folder + "/s")
    rmdir(folder)
  }
  return try await body(folder + "/s")
}

/// Somebody to look at from several closures.
final class Box<Value> {
  var value: Value
  init(_ value: Value) { self.value = value }
}
