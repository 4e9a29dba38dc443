internal import TelpherFileStore
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// A client's request for the list of the running commands. A worker thread measures what their
/// processes use. Use it only on its loop's thread.
final class CommandListing: StreamWork {
  private let didFinish: (CommandListing, CloseResult) -> Void

  /// A command, and how the list names it.
  struct Item: Sendable {
    /// Its id for `kill`.
    let id: String
    /// Who started it, for the user.
    let client: String
    let view: CommandView
  }

  /// Starts the request.
  ///
  /// - Parameters:
  ///   - items: the commands, in the order of their ids.
  ///   - workers: the pool that measures.
  ///   - didFinish: called once, on the loop, after this call has returned.
  /// - Throws: `FileError` (`busy`) if no thread can be started; then nothing has started.
  init(
    of items: [Item], on workers: WorkerPool, loop: any EventLoop,
    didFinish: @escaping (CommandListing, CloseResult) -> Void
  ) throws(FileError) {
    self.didFinish = didFinish
    nonisolated(unsafe) let listing = self
    try workers.run {
      let result = Self.answer(items, loop)
      loop.execute { listing.didFinish(listing, result) }
    }
  }

  /// As many commands as fit into one CLOSE.
  private static func answer(_ items: [Item], _ loop: any EventLoop) -> CloseResult {
    // Few commands have the most arguments, so most lists are complete.
    let moments = items.map { ($0, $0.view.moment) }
    let loads = loop.load(of: moments.compactMap { $1.pid })
    var result = CloseResult(.ok)
    var records: [CommandRecord] = []
    var length = 0
    for (item, moment) in moments {
      let load = moment.pid.flatMap { loads[$0] }
      var record = CommandRecord(item.view, moment, load: load, now: loop.now)
      (record.id, record.client) = (item.id, item.client)
      // The byte more is the comma.
      length += record.encodedLength + 1
      guard length <= WireConstants.maxCommandListLength else {
        result.more = true
        break
      }
      records.append(record)
    }
    result.commands = records
    return result
  }

  // The client sends nothing on this stream, and its answer is ready soon.
  func receive(_ chunk: Chunk, on channel: Channel) {}
  func receiveEnd(of channel: Channel) {}
  func receive(_ messages: [ControlMessage]) throws(WireError) {}
  func streamDidEnd(_ reason: StreamEnd) {}
}
