internal import Synchronization
package import TelpherTransport

/// What became of a piece of output.
package enum JournalAppend: Sendable, Equatable {
  /// The journal has all of it.
  case written
  /// It, or a part of it, could not be written, with this error number (errno(3)). The lost bytes
  /// count as output, and readers get them as a gap.
  case lost(Int32)
  /// The journal is full and keeps what it has (`block`). It has taken the first `taken` bytes. Keep
  /// the rest, read no more output, and append it again after `release` has made room.
  case full(taken: Int)
}

/// Writes the journal of one job: both outputs in the order in which they were read.
///
/// A journal is a folder of its own with the file `index` and segments of bounded size. Every call
/// blocks, so call it on a worker thread; calls from several threads take turns. A failed write never
/// stops the job: the bytes become a gap. If the writer's process is killed, everything that was
/// written completely can be read, and readers learn that the end is missing.
package final class JournalWriter: Sendable {
  private let state: Mutex<WriterState>

  /// Creates a journal in the folder `folder`, which is created if it does not exist, for the job
  /// with the 16 bytes of id `name`. Takes the space of two segments from `budget`.
  ///
  /// Throws `exists` if the folder contains a journal, `noRoom` if the budget is used up, and `system`
  /// for a failed call. After an error nothing is left of the journal.
  package init(
    folder path: SystemString, name: [UInt8], settings: JournalSettings = JournalSettings(),
    budget: JournalBudget? = nil, system: any JournalSystem = LinuxJournalSystem()
  ) throws(JournalError) {
    state = Mutex(
      try WriterState(
        folder: path, name: name, settings: settings, budget: budget, system: system))
  }

  /// Appends a piece of output that was read at `time` (nanoseconds since 1970; nil for now). The
  /// header and the bytes are written with one call, without a copy. A piece of more than
  /// `JournalLimit.recordBytes` becomes several records. Not allowed after `finish`.
  package func append(
    _ bytes: UnsafeRawBufferPointer, to channel: JournalChannel, time: Int64? = nil
  ) -> JournalAppend {
    let memory = CallersMemory(bytes: bytes)
    return state.withLock { $0.append(memory.bytes, to: channel, time: time) }
  }

  /// Counts `count` bytes of output as lost without writing them: output that a full journal could
  /// not take, of a job that must not wait any longer. Readers get them as a gap.
  package func skip(_ count: Int, of channel: JournalChannel) {
    state.withLock { $0.skip(count, of: channel) }
  }

  /// Declares that everything before `offsets` has reached its reader. With `block` this removes the
  /// segments that contain nothing else, and returns whether it removed any. With `drop_oldest` it
  /// does nothing.
  package func release(before offsets: JournalOffsets) -> Bool {
    state.withLock { $0.release(before: offsets) }
  }

  /// The bytes that the job has written to each output, lost ones included.
  package var totals: JournalOffsets { state.withLock { $0.index.totals } }

  /// How many of them could not be written.
  package var lost: JournalOffsets { state.withLock { $0.index.lost } }

  /// Records that the output is complete and releases the files. This needs no room on the disk. If
  /// it throws `system`, it may be called again; readers learn of no end until it succeeds.
  package func finish() throws(JournalError) {
    let outcome = state.withLock { state in
      Result { () throws(JournalError) in try state.finish() }
    }
    try outcome.get()
  }
}
