internal import Synchronization
internal import TelpherFiles

/// Collects what became of the files of a transfer. From any thread.
final class FileReports: Sendable {
  /// Files that are kept: enough to look at, and a bound to the memory that millions of files take.
  private static let most = 1_000

  private let handler: FileReportHandler?
  private let files = Mutex<[FileReport]>([])

  /// Passes each one on, too.
  init(passingTo handler: FileReportHandler?) { self.handler = handler }

  /// The first ones.
  var kept: [FileReport] { files.withLock { $0 } }

  /// One more.
  @Sendable func add(_ report: FileReport) {
    files.withLock { if $0.count < Self.most { $0.append(report) } }
    handler?(report)
  }
}
