package import TelpherAccess

/// What a server does with requests about durable jobs.
package enum JobService: Sendable {
  /// It refuses them for this reason.
  case refused(String)
  /// It passes them on to the process that keeps the jobs.
  case passed(any JobHost)
  /// It is that process: it keeps the jobs in this folder, and found these there at its start.
  /// The file says how long it keeps those that have ended.
  case kept(JobsFolder, [StoredJob], RetentionFile)
}

/// The process that keeps durable jobs (the job host), as a server reaches it.
package protocol JobHost: StreamHost {
  /// The process that keeps the jobs of this client. Each client but the server's owner has one of
  /// its own, so that it finds no jobs of others.
  func host(of client: Identity) -> any JobHost

  /// The process that keeps the jobs of the identity with this `folderName`.
  func host(ofIdentity id: String) -> any JobHost

  /// The number of its jobs that run. Reads a small file.
  ///
  /// - Returns: nil if that is not known.
  func liveJobs() -> Int?

  /// Whether it keeps a job with this id, which may have ended. Looks for a folder on the disk.
  func hasJob(_ id: String) -> Bool

  /// The processes that seem to keep jobs of identities other than the owner. Blocks on the disk.
  func hostsOfOthers() -> [JobHostOfIdentity]
}

/// The process that keeps the durable jobs of an identity other than the server's owner.
package struct JobHostOfIdentity: Sendable {
  /// The identity's `folderName`.
  package let id: String
  /// The identity's name, for the user.
  package let name: String
  package let host: any JobHost

  package init(id: String, name: String, host: any JobHost) {
    (self.id, self.name, self.host) = (id, name, host)
  }
}
