import CLibUV
import Glibc
import TelpherProcess
import TelpherTransport
import TelpherUV

/// Runs `body` with a loop, then shuts the loop down.
func withLoop<Result>(
  launcher: Launcher? = nil, launchMethod: UVLoop.LaunchMethod = .workerThreads,
  _ body: (UVLoop) async throws -> Result
) async throws -> Result {
  let loop = try UVLoop(launcher: launcher, launchMethod: launchMethod)
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
  /// Runs `body` on the loop and returns the value that is passed to `done`, now or in a callback.
  func run<Result: Sendable>(
    _ body: @escaping @Sendable (_ done: @escaping @Sendable (Result) -> Void) -> Void
  ) async -> Result {
    await withCheckedContinuation { continuation in
      execute { body { continuation.resume(returning: $0) } }
    }
  }

  /// Connects a client to a listener at `address` and calls `body` with both ends. The port may be
  /// 0.
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

/// Makes a pipe from `output` to `input`. Both ends block. They are close-on-exec: a child of
/// another test would otherwise keep the pipe open.
func makePipe() -> (input: Int32, output: Int32) {
  var ends: [Int32] = [-1, -1]
  precondition(uv_pipe(&ends, 0, 0) == 0)
  return (ends[0], ends[1])
}

/// Calls `body` with a path for a Unix socket in a new folder, and removes the folder afterwards.
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

/// A value that several closures share.
final class Box<Value> {
  var value: Value
  init(_ value: Value) { self.value = value }
}
