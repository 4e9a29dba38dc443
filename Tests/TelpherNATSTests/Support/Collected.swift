import TelpherNATS

/// What a decoder makes of bytes.
struct Collected: Equatable {
  var events: [NATSEvent] = []
  var error: NATSError?

  /// Decodes `bytes`, cut at the given offsets.
  init(_ bytes: [UInt8], cutAt cuts: [Int] = []) {
    var decoder = NATSDecoder()
    let bounds = [0] + cuts + [bytes.count]
    for (start, end) in zip(bounds, bounds.dropFirst()) {
      bytes[start..<end].withUnsafeBytes { decoder.receive($0) }
      do throws(NATSError) {
        while let event = try decoder.next() { events.append(event) }
      } catch {
        // It stays the same, whatever follows.
        precondition(self.error == nil || self.error == error, "an error stays")
        self.error = error
      }
    }
  }

  init(_ text: String, cutAt cuts: [Int] = []) { self.init(Array(text.utf8), cutAt: cuts) }
}
