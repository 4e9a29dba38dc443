package import TelpherTransport

/// What a journal contains, without reading its output.
package struct JournalSummary: Sendable, Equatable {
  /// The state of the end.
  package enum End: Sendable, Equatable {
    /// The writer lives.
    case open
    /// The output is complete.
    case finished
    /// The writer ended without recording the end.
    case cut
  }

  /// The size of the journal and what it does when it is full.
  package let settings: JournalSettings
  /// The bytes of each output that were dropped, or released, at the beginning.
  package let first: JournalOffsets
  /// The bytes that the job has written to each output, as far as is known.
  package let totals: JournalOffsets
  /// How many of them could not be written, as far as is known.
  package let lost: JournalOffsets
  /// The state of the end.
  package let end: End

  /// Reads the summary of the journal in `folder`. Blocks for the disk. Throws `notFound` if there is
  /// none, `damaged` if the index is, and `system` for a failed call.
  package static func read(
    folder path: SystemString, system: any JournalSystem = LinuxJournalSystem()
  ) throws(JournalError) -> JournalSummary {
    let summary: JournalSummary?
    do throws(ErrorNumber) { summary = try read(path, system) } catch {
      throw JournalError(error, "read the journal in '\(path)'")
    }
    if let summary { return summary }
    throw JournalError(.damaged, "'\(path)' is not a journal, or its index is damaged")
  }

  private static func read(_ path: SystemString, _ system: any JournalSystem) throws(ErrorNumber)
    -> JournalSummary?
  {
    let folder = JournalFile(try system.openFolder(path), system)
    let index = JournalFile(
      try system.open(JournalIndex.name, in: folder.descriptor, .read), system)
    guard let settings = try JournalIndex.settings(index, system) else { return nil }
    // The lock first: after the writer's end the state does not change any more.
    let isLocked = try system.isLocked(index.descriptor)
    let state = try JournalIndex.state(index, system)
    let numbers = try SegmentList.numbers(in: folder, system)
    var totals = state?.totals ?? .zero
    if state?.isFinished != true {
      let end = try Self.end(among: numbers, in: folder, system)
      for channel in JournalChannel.allCases {
        totals[channel] = max(totals[channel], end[channel])
      }
    }
    return JournalSummary(
      settings: settings,
      first: try SegmentCursor.first(among: numbers, in: folder, RecordMemory(), system) ?? totals,
      totals: totals, lost: state?.lost ?? .zero,
      end: state?.isFinished == true ? .finished : isLocked ? .open : .cut)
  }

  /// The bytes before the end of the newest segment.
  private static func end(
    among numbers: [UInt64], in folder: JournalFile, _ system: any JournalSystem
  ) throws(ErrorNumber) -> JournalOffsets {
    let memory = RecordMemory()
    for number in numbers.reversed() {
      do throws(ErrorNumber) {
        let opened = try SegmentCursor(number, in: folder, memory, system)
        guard var cursor = opened else { continue }
        var end = cursor.offsets
        while case .record(let header, _) = try cursor.next() {
          end = header.offsets
          end[header.channel] += UInt64(header.length)
        }
        return end
      } catch {
        if error.value != ErrorNumber.noEntry { throw error }
      }
    }
    return .zero
  }
}
