package import TelpherTransport

/// Removes journals.
package enum JournalRemoval {
  /// Removes the journal in `folder`, with the folder, and frees its place in `budget`. Does nothing
  /// if there is no such folder. Call it only after the writer has ended; readers keep the segment
  /// that they have open. Blocks for the disk; throws `system` for a failed call, after which it may
  /// be called again.
  package static func remove(
    folder path: SystemString, name: [UInt8], budget: JournalBudget? = nil,
    system: any JournalSystem = LinuxJournalSystem()
  ) throws(JournalError) {
    do throws(ErrorNumber) {
      if try system.exists(path) {
        try removeFiles(path, system)
        try system.removeFolder(path)
      }
      try budget?.release(name)
    } catch {
      throw JournalError(error, "remove the journal in '\(path)'")
    }
  }

  private static func removeFiles(_ path: SystemString, _ system: any JournalSystem)
    throws(ErrorNumber)
  {
    let folder = JournalFile(try system.openFolder(path), system)
    // The index last: what is left after a failure is still a journal.
    let names = try system.names(in: folder.descriptor)
    for name in names.filter({ $0 != JournalIndex.name }) + [JournalIndex.name] {
      do throws(ErrorNumber) {
        try system.remove(name, in: folder.descriptor)
      } catch {
        if error.value != ErrorNumber.noEntry { throw error }
      }
    }
  }
}
