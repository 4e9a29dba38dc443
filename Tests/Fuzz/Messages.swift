/// Decodes any bytes as each JSON message. It must not crash, errors must have a bounded length,
/// and a message that is decoded must stay the same when it is encoded and decoded again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzMessages(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let bytes = Array(UnsafeRawBufferPointer(start: start, count: count))
  check(bytes, Hello.decode) { $0.encoded() }
  check(bytes, ControlMessage.decode) { ControlMessage.encode($0) }
  check(bytes, CloseResult.decode) {
    var bounded = $0
    bounded.message = $0.message?.cut(toUTF8: WireConstants.maxCloseMessageLength)
    return bounded == $0 ? $0.encoded() : nil
  }
  check(bytes, OpenRequest.decode) { try? $0.encoded() }
  return 0
}

private func check<Message: Equatable>(
  _ bytes: [UInt8], _ decode: ([UInt8]) throws(WireError) -> Message,
  _ encode: (Message) -> [UInt8]?
) {
  do throws(WireError) {
    let message = try decode(bytes)
    guard let again = encode(message) else { return }
    let decoded = try decode(again)
    // The "must" key of OPEN is checked but not kept, so the encoded message may hold less than the
    // input, but nothing else.
    require(decoded == message, "\(message) became \(decoded)")
  } catch {
    require(error.message.utf8.count <= WireConstants.maxErrorLength, "a long error")
    require(CloseResult(.refused, message: error.message).encoded().count < 4_096, "a long CLOSE")
  }
}
