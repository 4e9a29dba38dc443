internal import Synchronization
package import TelpherTransport

/// Where a reader starts.
package enum JournalStart: Sendable {
  /// At these offsets of each output. If those bytes were dropped, the first event is a gap.
  case offsets(JournalOffsets)
  /// At the last lines. A line belongs to the output in which it ends, and the lines of both outputs
  /// count together, in the order in which they ended. An end without a newline counts as a line.
  /// With 0 the reader gets only what comes from now on.
  case lines(Int)
}

/// Why bytes are missing.
package enum JournalGap: Sendable, Equatable {
  /// The journal had reached its limit and they were the oldest.
  case dropped
  /// They could not be written, for example because the disk was full.
  case notWritten
  /// The writer was asked to leave them out: the journal was full, and its job was being ended.
  case discarded
  /// What the files contain has changed since.
  case damaged
}

/// What a reader gets.
package enum JournalEvent: Sendable, Equatable {
  /// The next bytes of an output, with the offset of the first and when they were read from the job,
  /// in nanoseconds since 1970.
  case data(JournalChannel, offset: UInt64, count: Int, time: Int64)
  /// These bytes of an output are missing.
  case gap(JournalChannel, offset: UInt64, bytes: UInt64, JournalGap)
  /// The reader has everything so far, and the writer lives.
  case waiting
  /// The reader has everything, and the job's output is complete.
  case end
  /// The writer ended without recording the end. The reader has everything that it wrote completely;
  /// how much is missing is not known. `isDamaged`: the last files have changed since.
  case cut(isDamaged: Bool)
}

/// Reads a journal, in the writer's process or another, while it is written or afterwards.
///
/// Each reader has one descriptor of a segment and `JournalLimit.readBytes` of memory. A slow one
/// holds up neither the writer nor others: the segment that it reads keeps its disk space while it is
/// open, and what was dropped meanwhile is a gap. Every call blocks for the disk, never for the
/// writer, so call it on a worker thread; calls from several threads take turns.
package final class JournalReader: Sendable {
  private let state: Mutex<ReaderState>
  private let path: SystemString

  /// Opens the journal in `folder` to read `channels` from `start` on. Throws `notFound` if there is
  /// none, `damaged` if the index is, and `system` for a failed call.
  package init(
    folder path: SystemString, channels: [JournalChannel] = JournalChannel.allCases,
    from start: JournalStart = .offsets(.zero), system: any JournalSystem = LinuxJournalSystem()
  ) throws(JournalError) {
    precondition(!channels.isEmpty, "a reader reads at least one output")
    self.path = path
    let opened: ReaderState?
    do throws(ErrorNumber) {
      opened = try ReaderState(folder: path, channels: channels, from: start, system)
    } catch {
      throw JournalError(error, "open the journal in '\(path)'")
    }
    guard let opened else {
      throw JournalError(.damaged, "'\(path)' is not a journal, or its index is damaged")
    }
    state = Mutex(opened)
  }

  /// The offsets of the bytes that come next. Without meaning for an output that is not read.
  package var position: JournalOffsets { state.withLock { $0.position } }

  /// Reads the next bytes of one record into `memory`, or says what else is there. With at least
  /// `JournalLimit.recordBytes` of memory it reads a whole record. Throws `system` if a call failed;
  /// the next call tries again.
  package func next(into memory: UnsafeMutableRawBufferPointer) throws(JournalError) -> JournalEvent
  {
    precondition(!memory.isEmpty, "there is room for a byte")
    let memory = CallersMemory(bytes: memory)
    let outcome = state.withLock { state in
      Result { () throws(ErrorNumber) in try state.next(into: memory.bytes) }
    }
    do throws(ErrorNumber) { return try outcome.get() } catch {
      throw JournalError(error, "read the journal in '\(path)'")
    }
  }
}
