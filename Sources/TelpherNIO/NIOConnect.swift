internal import CTelpherSys
internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import TelpherSockets
internal import TelpherTransport

/// An attempt to connect. It keeps itself alive until it has called its completion.
final class NIOConnect: LoopHandle {
  /// How often and after how many nanoseconds a connect is repeated. connect(2) to a Unix socket
  /// with a full backlog fails with EAGAIN at once; TCP would wait.
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

  /// Starts connecting. The completion is called later, never before this returns.
  func start() {
    guard !loop.isClosing else { return finishLater(.loopEnded(what)) }
    do {
      let target = try SystemAddress(address, what)
      loop.keep(self)
      connect(to: target)
    } catch {
      finishLater(error)
    }
  }

  /// Called when the loop ends.
  func close() {
    finishLater(.loopEnded(what))
  }

  private var what: String { "connect to \(address)" }

  private func connect(to target: SystemAddress) {
    let stream = NIOStream(loop: loop, carrier: .socket, peer: .inherited)
    let bootstrap = ClientBootstrap(group: loop.eventLoop)
      .channelInitializer(stream.initializer())
      // Only the timeout of the system applies. NIO's default is 10 seconds.
      .connectTimeout(.hours(24))
    let connected =
      if case .vsock(let machine, let port) = address {
        bootstrap.connect(
          to: VsockAddress(
            cid: .init(rawValue: machine.rawValue), port: .init(rawValue: port)))
      } else {
        bootstrap.connect(to: NIOCore.SocketAddress(target))
      }
    connected.assumeIsolated().whenComplete { [self] in didConnect($0, stream, target.kind) }
  }

  private func didConnect(
    _ result: Result<any Channel, any Error>, _ stream: NIOStream, _ kind: SocketKind
  ) {
    switch result {
    case .success:
      guard completion != nil else { return stream.close() }
      stream.didConnect(kind)
      // NIO may be done before `start` has returned. NIO reads the socket only after this.
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
  /// Converts an address to NIO's type.
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
