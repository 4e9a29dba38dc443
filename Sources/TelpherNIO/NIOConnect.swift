internal import CTelpherSys
internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import TelpherSystem
internal import TelpherTransport

/// An attempt to connect: it keeps itself alive until its completion was called.
final class NIOConnect: LoopHandle {
  /// A Unix socket whose backlog is full refuses with EAGAIN at once, connect(2), where TCP would
  /// wait: then it is tried again, so often and after so many nanoseconds.
  private static let retries = 200
  private static let retryDelay: UInt64 = 5_000_000

  private let loop: NIOLoop
  private let address: TelpherTransport.SocketAddress
  private var completion: ((Result<any ByteStream, TransportError>) -> Void)?
  private var retriesLeft = NIOConnect.retries

  init(
    loop: NIOLoop, address: TelpherTransport.SocketAddress,
    _ completion: @escaping (Result<any ByteStream, TransportError>) -> Void
  ) {
    self.loop = loop
    self.address = address
    self.completion = completion
  }

  /// Begins; the completion comes later.
  func start() {
    guard !loop.isClosing else { return finishLater(.loopEnded(what)) }
    do {
      let target = try SystemAddress(address, what)
      loop.keep(self)
      connect(to: NIOCore.SocketAddress(target), unix: target.isUnix)
    } catch {
      finishLater(error)
    }
  }

  /// The loop has ended.
  func close() {
    finishLater(.loopEnded(what))
  }

  private var what: String { "connect to \(address)" }

  private func connect(to target: NIOCore.SocketAddress, unix: Bool) {
    let stream = NIOStream(loop: loop, carrier: .socket, peer: .inherited)
    ClientBootstrap(group: loop.eventLoop)
      .channelInitializer(stream.initializer())
      // The system's own limit is the one: NIO's is 10 seconds.
      .connectTimeout(.hours(24))
      .connect(to: target)
      .assumeIsolated().whenComplete { [self] in didConnect($0, stream, unix) }
  }

  private func didConnect(
    _ result: Result<any Channel, any Error>, _ stream: NIOStream, _ unix: Bool
  ) {
    switch result {
    case .success:
      guard completion != nil else { return stream.close() }
      stream.didConnect(unix: unix)
      // NIO may be done before `start` has returned, and the socket is read only after this.
      loop.callLater { [self] in
        guard completion != nil else { return stream.close() }
        finish(.success(stream))
      }
    case .failure(let error):
      stream.close()
      if (error as? IOError)?.errnoCode == EAGAIN, !loop.isClosing, retriesLeft > 0 {
        retriesLeft -= 1
        _ = loop.schedule(after: Self.retryDelay) { [self] in if completion != nil { start() } }
      } else {
        finishLater(loop.isClosing ? .loopEnded(what) : TransportError(what, error))
      }
    }
  }

  private func finishLater(_ error: TransportError) {
    loop.callLater { [self] in finish(.failure(error)) }
  }

  private func finish(_ result: Result<any ByteStream, TransportError>) {
    loop.remove(self)
    let completion = self.completion
    self.completion = nil
    completion?(result)
  }
}

extension NIOCore.SocketAddress {
  /// NIO's form of an address.
  init(_ address: SystemAddress) {
    self = withUnsafeBytes(of: address.storage.bytes) { bytes in
      switch address.family {
      case AF_INET: .init(bytes.loadUnaligned(as: sockaddr_in.self))
      case AF_INET6: .init(bytes.loadUnaligned(as: sockaddr_in6.self))
      default: .init(bytes.loadUnaligned(as: sockaddr_un.self))
      }
    }
  }
}
