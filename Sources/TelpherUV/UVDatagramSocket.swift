internal import CLibUV
internal import CTelpherSys
internal import Glibc
internal import TelpherSockets
internal import TelpherTransport

/// A UDP socket over uv_udp_t.
final class UVDatagramSocket: DatagramSocket, HandleOwner {
  let address: DatagramAddress
  private let loop: UVLoop
  private var handle: UnsafeMutablePointer<uv_udp_t>?
  private var didReceive: ((Chunk, DatagramAddress) -> Void)?

  /// The size of the receive buffer in bytes: room for the longest UDP datagram (65,507 bytes over
  /// IPv4).
  private static let readSize = 65_536

  /// Receives each datagram, which is then copied into a chunk of its own size. A chunk that is
  /// kept so holds no more memory than its bytes. No datagram is cut off.
  private let buffer: UnsafeMutableRawBufferPointer

  /// Opens a socket and starts receiving.
  init(
    loop: UVLoop, address: DatagramAddress,
    _ didReceive: @escaping (Chunk, DatagramAddress) -> Void
  ) throws(TransportError) {
    self.loop = loop
    let what = "open \(address)"
    guard !loop.isClosing else { throw .loopEnded(what) }
    let target = try SystemAddress(address, what)
    let handle: UnsafeMutablePointer<uv_udp_t>
    switch Handle.make({ uv_udp_init(loop.raw, $0) }) {
    case .success(let made): handle = made
    case .failure(let status): throw status.error(what)
    }
    var status = target.withSocketAddress { address, _ in uv_udp_bind(handle, address, 0) }
    var own = telpher_address()
    if status == 0 { status = telpher_own_address(Handle.descriptor(of: handle), &own) }
    if status == 0 { status = uv_udp_recv_start(handle, socketNeedsMemory, socketDidReceive) }
    guard status == 0 else {
      Handle.close(handle)
      throw UVStatus(status).error(what)
    }
    self.address = DatagramAddress(host: address.host, port: telpher_address_port(&own))
    // Allocated only now: if `init` throws before all properties are set, `deinit` does not run.
    buffer = .allocate(byteCount: Self.readSize, alignment: 16)
    self.handle = handle
    self.didReceive = didReceive
    Handle.give(handle, to: self)
  }

  deinit {
    buffer.deallocate()
  }

  func send(_ payload: Chunk, to address: DatagramAddress) throws(TransportError) {
    loop.preconditionIsCurrent()
    guard let handle else { return }
    guard payload.count <= DatagramLimits.payloadBytes else {
      throw .datagramTooLong(payload.count, to: address)
    }
    let what = "send to \(address)"
    let target = try SystemAddress(address, what)
    var buffer = payload.asBuffer
    let status = target.withSocketAddress { address, _ in
      uv_udp_try_send(handle, &buffer, 1, address)
    }
    if status >= 0 { return }
    guard status == UV_EAGAIN.rawValue else { throw UVStatus(status).error(what) }
    guard uv_udp_get_send_queue_size(handle) + payload.count <= DatagramLimits.queuedBytes else {
      throw UVStatus(UV_ENOBUFS.rawValue).error(what)
    }
    let queued = DatagramRequest.start(payload, to: target, on: handle)
    guard queued == 0 else { throw UVStatus(queued).error(what) }
  }

  func close() {
    loop.preconditionIsCurrent()
    guard let handle else { return }
    self.handle = nil
    didReceive = nil
    Handle.close(handle)
  }

  fileprivate func provideMemory(_ memory: UnsafeMutablePointer<uv_buf_t>) {
    tuv_read_into(memory, buffer.baseAddress, buffer.count)
  }

  fileprivate func receive(_ count: Int, from sender: UnsafePointer<sockaddr>) {
    let payload = Chunk(copying: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    didReceive?(payload, DatagramAddress(sender))
  }
}

extension Chunk {
  /// The chunk's bytes as a libuv buffer. Valid while the chunk lives.
  fileprivate var asBuffer: uv_buf_t {
    let memory = (storage.memory + lowerBound).assumingMemoryBound(to: CChar.self)
    return uv_buf_t(base: memory, len: count)
  }
}

/// A datagram that the system did not take at once. It keeps the payload until libuv has called
/// back.
private final class DatagramRequest {
  private let memory = UnsafeMutablePointer<uv_udp_send_t>.allocate(capacity: 1)
  private let payload: Chunk

  private init(_ payload: Chunk) {
    self.payload = payload
  }

  deinit {
    memory.deallocate()
  }

  /// Queues `payload`. Returns libuv's status; unless it is 0, nothing was queued.
  static func start(
    _ payload: Chunk, to target: SystemAddress, on handle: UnsafeMutablePointer<uv_udp_t>
  ) -> Int32 {
    let request = DatagramRequest(payload)
    let retained = Unmanaged.passRetained(request)
    request.memory.pointee.data = retained.toOpaque()
    var buffer = payload.asBuffer
    let status = target.withSocketAddress { address, _ in
      uv_udp_send(request.memory, handle, &buffer, 1, address, datagramDidGo)
    }
    if status != 0 { retained.release() }
    return status
  }
}

/// Called when a queued datagram was sent or failed. A failure is not reported: any datagram may be
/// lost.
private func datagramDidGo(_ request: UnsafeMutablePointer<uv_udp_send_t>?, _: Int32) {
  Unmanaged<DatagramRequest>.fromOpaque(request!.pointee.data!).release()
}

private func socketNeedsMemory(
  _ handle: UnsafeMutablePointer<uv_handle_t>?, _: Int, _ memory: UnsafeMutablePointer<uv_buf_t>?
) {
  Handle.owner(of: handle, as: UVDatagramSocket.self).provideMemory(memory!)
}

/// libuv calls this without an address when there is nothing more to read, and with a negative
/// count for an error. Receiving goes on in both cases.
private func socketDidReceive(
  _ handle: UnsafeMutablePointer<uv_udp_t>?, _ count: Int, _: UnsafePointer<uv_buf_t>?,
  _ address: UnsafePointer<sockaddr>?, _: UInt32
) {
  guard count >= 0, let address else { return }
  Handle.owner(of: handle, as: UVDatagramSocket.self).receive(count, from: address)
}
