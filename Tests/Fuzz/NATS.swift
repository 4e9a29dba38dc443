/// Feeds any bytes of a NATS server to the decoder, whole and in pieces. Both must give the same events
/// and the same error, and a message that is encoded again must be decoded to the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzNATS(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var input = FuzzInput(start, count)
  let longest = [1, 3, 16, 1_000][input.choose(4)]
  var whole = Collector()
  whole.feed(input.bytes)
  var cut = Collector()
  var offset = 0
  while offset < input.bytes.count {
    let length = min(1 + input.choose(longest), input.bytes.count - offset)
    // A separate copy, so that the sanitizer detects a read past the piece.
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 1)
    piece.copyMemory(from: UnsafeRawBufferPointer(rebasing: input.bytes[offset..<offset + length]))
    cut.feed(UnsafeRawBufferPointer(piece))
    piece.deallocate()
    offset += length
  }
  require(whole.events == cut.events, "the events depend on the cuts")
  require(whole.error == cut.error, "the error depends on the cuts")
  for case .message(let message) in whole.events { checkAgain(message) }
  return 0
}

/// Encodes a message as a client would publish it, turns its line into a server's, and decodes it.
private func checkAgain(_ message: NATSMessage) {
  guard let subject = try? NATSSubject(message.subject), !subject.hasWildcards,
    let reply = try? NATSSubject(message.reply ?? "none"),
    message.headers.fields.allSatisfy({
      !($0.name + $0.value).utf8.contains { $0 == 10 || $0 == 13 }
    })
  else { return }
  var encoder = NATSEncoder()
  encoder.publish(subject, reply: reply, headers: message.headers, message.payload)
  // `PUB SUBJECT REPLY ...` becomes `MSG SUBJECT 7 REPLY ...`.
  let encoded = encoder.take()
  let hasHeaders = !message.headers.isEmpty
  let rest = encoded.dropFirst((hasHeaders ? 5 : 4) + subject.text.utf8.count)
  var collector = Collector()
  let line = Array("\(hasHeaders ? "HMSG" : "MSG") \(subject) 7".utf8) + rest
  line.withUnsafeBytes { collector.feed($0) }
  guard case .message(let again)? = collector.events.first else { fatalError("it is not decoded") }
  require(again.payload == message.payload, "another payload")
  require(again.headers == message.headers, "other headers: \(again) \(message)")
}

private struct Collector {
  var decoder = NATSDecoder()
  var events: [NATSEvent] = []
  var error: NATSError?

  mutating func feed(_ input: UnsafeRawBufferPointer) {
    decoder.receive(input)
    do throws(NATSError) {
      while let event = try decoder.next() { events.append(event) }
    } catch {
      require(self.error == nil || self.error == error, "the error changes")
      self.error = error
    }
  }
}
