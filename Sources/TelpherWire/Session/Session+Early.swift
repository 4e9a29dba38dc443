/// Windows of the stream that is opened next, by channel. They spare its first bytes the round trip in
/// which its receiver would grant them.
struct EarlyWindows<Window: Sendable>: Sendable {
  /// The stream. If another one is opened, they lapse.
  let stream: StreamID
  /// The channels whose windows differ from those of HELLO.
  var windows: [Channel: Window] = [:]
}

// Credit on the stream that the client opens next (docs/PROTOCOL.md, "Flow control"). WINDOW for it
// is an ordinary WINDOW if the client has opened the stream meanwhile, so neither side needs to know
// in which order the frames were sent.
extension Session {
  /// The number of the stream that is opened next; nil if all are used.
  var nextStream: StreamID? {
    guard lastOpened < StreamID.max - 2 else { return nil }
    return lastOpened == 0 ? 1 : lastOpened + 2
  }

  /// What a client's session knows, for its HELLO.
  package static var clientFeatures: [String] {
    [WireConstants.earlyWindows, WireConstants.returnedCredit]
  }
  /// What a server's session knows, for its HELLO.
  package static var serverFeatures: [String] { [WireConstants.returnedCredit] }

  // MARK: The server

  /// Grants the next stream what the windows of this connection have grown to lately, as far as
  /// memory allows: nothing, unless the client is far away and much was sent.
  ///
  /// The stream may carry a file or a command's input, but not both, so the connection's window
  /// grows for the file only, and only while no other stream holds what it has grown. A command's
  /// input gets a part, since nothing may read it.
  mutating func grantEarly() {
    guard role == .server, growth.limit > 0, lastTaken == nil, let next = nextStream,
      peerKnows(WireConstants.earlyWindows)
    else { return }
    let initial = local.window ?? WireConstants.defaultWindow
    let learned = learned.value(at: time)
    guard learned > initial else { return }
    if earlyReceive?.stream != next { lapseEarlyWindows() }
    let begun = earlyReceive?.windows ?? [:]
    func window(_ channel: Channel) -> ReceiveWindow {
      begun[channel] ?? ReceiveWindow(size: initial)
    }
    var (input, file, index) = (window(.stdin), window(.file), window(.index))
    input.promise(initial + min(learned - initial, growth.unproven))
    let isAlone = growth.used == file.growth + unread.used
    let more =
      isAlone && learned > file.size ? growth.take(learned - file.size, own: file.growth) : 0
    file.extend(by: more)
    index.grow(to: min(WireConstants.defaultWindow, connectionReceive.initial / 4))
    earlyReceive = EarlyWindows(
      stream: next, windows: [.stdin: input, .file: file, .index: index])
    extendConnection(by: more)
    for (channel, window) in [(Channel.stdin, input), (.file, file), (.index, index)] {
      var window = window
      let before = begun[channel]?.limit ?? initial
      let limit = window.grant()
      earlyReceive?.windows[channel] = window
      guard limit > before else { continue }
      append(.window, stream: next, channel: channel.rawValue, number: limit)
    }
  }

  /// The client has opened `stream`: gives it the windows that were granted early. They lapse if it
  /// is another one than expected.
  mutating func useEarlyWindows(for stream: StreamID, _ state: StreamState) {
    guard let early = earlyReceive, early.stream == stream else { return lapseEarlyWindows() }
    earlyReceive = nil
    for (channel, window) in early.windows { state[channel].receive = window }
  }

  /// Gives back what the connection's window has grown for the next stream, which keeps its credit.
  mutating func reclaimEarlyGrowth() {
    guard var file = earlyReceive?.windows[.file], file.growth > 0 else { return }
    withdraw(file.growth, of: &file)
    earlyReceive?.windows[.file] = file
  }

  /// Gives back what the windows that were granted early have grown.
  private mutating func lapseEarlyWindows() {
    if var file = earlyReceive?.windows[.file] { withdraw(file.growth, of: &file) }
    earlyReceive = nil
  }

  // MARK: The client

  /// Notes the server's credit on a stream that this side has not opened yet.
  ///
  /// - Returns: whether that is the next one.
  /// - Throws: `WireError` if the limit is wrong.
  mutating func receiveEarlyCredit(
    _ stream: StreamID, _ channel: Channel, _ limit: UInt64
  ) throws(WireError) -> Bool {
    guard role == .client, stream == nextStream,
      local.features?.contains(WireConstants.earlyWindows) == true
    else { return false }
    var early = EarlyWindows<SendWindow>(stream: stream)
    if let earlySend, earlySend.stream == stream { early = earlySend }
    var window =
      early.windows[channel]
      ?? SendWindow(limit: peerHello?.window ?? WireConstants.defaultWindow)
    try window.raise(to: limit)
    early.windows[channel] = window
    earlySend = early
    return true
  }

  /// This side has opened `stream`: it uses the credit that it has on it.
  mutating func useEarlyCredit(for stream: StreamID, _ state: StreamState) {
    guard let early = earlySend else { return }
    earlySend = nil
    guard early.stream == stream else { return }
    for (channel, window) in early.windows { state[channel].send = window }
  }
}
