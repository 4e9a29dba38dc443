internal import CLibUV
internal import Glibc
internal import TelpherSockets
internal import TelpherTransport

/// An attempt to connect. It keeps itself alive until it has called its completion.
final class UVConnect {
  /// How often and after how many nanoseconds a connect is repeated. connect(2) to a Unix socket
  /// with a full backlog fails with EAGAIN at once; TCP would wait.
  private static let retries = 200
  private static let retryDelay: UInt64 = 5_000_000

  private let loop: UVLoop
  private let address: SocketAddress
  private let completion: (Result<any ByteStream, TransportError>) -> Void
  private let request = UnsafeMutablePointer<uv_connect_t>.allocate(capacity: 1)
  private var stream: UVStream?
  private var retriesLeft = UVConnect.retries
  private var isDone = false

  init(
    loop: UVLoop, address: SocketAddress,
    _ completion: @escaping (Result<any ByteStream, TransportError>) -> Void
  ) {
    self.loop = loop
    self.address = address
    self.completion = completion
  }

  /// An attempt is freed before it is done only if the loop ends while the attempt waits for its
  /// next try.
  deinit {
    request.deallocate()
    if !isDone { completion(.failure(.loopEnded(what))) }
  }

  /// Starts connecting. The completion is called later, never before this returns.
  func start() {
    let what = what
    guard !loop.isClosing else { return finishLater(.loopEnded(what)) }
    do {
      let target = try SystemAddress(address, what)
      guard target.kind != .vsock else { return connectByPoll(target) }
      let handle = UVStream.makeSocket(target.kind, on: loop)
      stream = UVStream(loop: loop, handles: .duplex(handle), peer: .inherited)
      request.pointee.data = Unmanaged.passRetained(self).toOpaque()
      let status = connect(handle, target)
      if status != 0 {
        Unmanaged.passUnretained(self).release()
        finishLater(UVStatus(status).error(what))
      }
    } catch {
      finishLater(error)
    }
  }

  private var what: String { "connect to \(address)" }

  private func connect(
    _ handle: UnsafeMutablePointer<uv_stream_t>, _ target: SystemAddress
  ) -> Int32 {
    guard case .unix(let path) = address else {
      return UnsafeMutableRawPointer(handle).withMemoryRebound(to: uv_tcp_t.self, capacity: 1) {
        handle in
        target.withSocketAddress { address, _ in
          uv_tcp_connect(request, handle, address, connectDidFinish)
        }
      }
    }
    UnsafeMutableRawPointer(handle).withMemoryRebound(to: uv_pipe_t.self, capacity: 1) {
      uv_pipe_connect(request, $0, path, connectDidFinish)
    }
    return 0
  }

  fileprivate func didFinish(_ status: Int32) {
    guard let stream else { preconditionFailure("an attempt under way has a stream") }
    if status == UV_EAGAIN.rawValue, !loop.isClosing, retriesLeft > 0 { return retry(stream) }
    guard status == 0, !stream.isClosed else {
      return finish(loop.isClosing ? .loopEnded(what) : UVStatus(status).error(what))
    }
    self.stream = nil
    succeed(stream)
  }

  private func succeed(_ stream: UVStream) {
    stream.didConnect(SocketKind(address))
    isDone = true
    completion(.success(stream))
  }

  /// Connects a vsock, for which libuv has no call.
  private func connectByPoll(_ target: SystemAddress) {
    let descriptor = target.makeSocket()
    guard descriptor >= 0 else { return finishLater(UVStatus(descriptor).error(what)) }
    UVSocketConnect(descriptor, on: loop).start(to: target) { [self] status in
      guard status == 0, !loop.isClosing else {
        _ = Glibc.close(descriptor)
        return finish(loop.isClosing ? .loopEnded(what) : UVStatus(status).error(what))
      }
      let handle = UVStream.makeSocket(.vsock, on: loop)
      let opened = UVStream.openPipe(handle, descriptor)
      precondition(opened == 0, "a socket that has just connected can be opened")
      succeed(UVStream(loop: loop, handles: .duplex(handle), peer: .inherited))
    }
  }

  private func retry(_ stream: UVStream) {
    retriesLeft -= 1
    stream.close()
    _ = loop.schedule(after: Self.retryDelay) { [self] in start() }
  }

  private func finishLater(_ error: TransportError) {
    loop.callLater { [self] in finish(error) }
  }

  private func finish(_ error: TransportError) {
    stream?.close()
    stream = nil
    isDone = true
    completion(.failure(error))
  }
}

private func connectDidFinish(_ request: UnsafeMutablePointer<uv_connect_t>?, _ status: Int32) {
  Unmanaged<UVConnect>.fromOpaque(request!.pointee.data!).takeRetainedValue().didFinish(status)
}
