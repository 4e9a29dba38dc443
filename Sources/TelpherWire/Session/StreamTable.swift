/// The open streams of a connection, by number.
///
/// Streams are added with rising numbers, so the entries are sorted, and a binary search finds one. Each
/// frame looks its stream up several times: a hash of the number takes longer than the comparisons, and
/// a peer that chooses its numbers can't make them slow.
struct StreamTable {
  private struct Entry {
    let number: StreamID
    let state: StreamState
  }

  private var entries: [Entry] = []

  /// The number of open streams.
  var count: Int { entries.count }

  /// The states of all open streams, by rising number.
  var states: some Sequence<StreamState> { entries.lazy.map(\.state) }

  /// The state of an open stream; nil if the stream is not open.
  subscript(number: StreamID) -> StreamState? {
    let place = place(of: number)
    guard place < entries.count, entries[place].number == number else { return nil }
    return entries[place].state
  }

  /// Adds a stream whose number is higher than that of each open one.
  mutating func add(_ number: StreamID, _ state: StreamState) {
    if let last = entries.last {
      precondition(last.number < number, "the numbers of streams rise")
    }
    entries.append(Entry(number: number, state: state))
  }

  /// Removes a stream.
  ///
  /// - Returns: its state; nil if it was not open.
  mutating func remove(_ number: StreamID) -> StreamState? {
    let place = place(of: number)
    guard place < entries.count, entries[place].number == number else { return nil }
    return entries.remove(at: place).state
  }

  /// The place of the first entry whose number is not lower than `number`.
  private func place(of number: StreamID) -> Int {
    var (low, high) = (0, entries.count)
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].number < number { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
