internal import Glibc
internal import TelpherAccess
internal import TelpherServer
internal import TelpherTransport

/// Starts the job host: this program with the hidden command `job-host`.
struct JobHostProcess: JobHost {
  let place: JobsPlace
  /// How long it keeps jobs after their end; nil for what the folder says.
  var retention: JobRetention?

  var address: SocketAddress { .unix(path: place.socket) }

  var owner: UInt32 { geteuid() }
  var name: String { "the process that keeps jobs" }

  func host(of client: Identity) -> any JobHost { JobHostProcess(place: place.of(client)) }

  func host(ofIdentity id: String) -> any JobHost { JobHostProcess(place: place.of(identity: id)) }

  func liveJobs() -> Int? {
    LiveJobs.read(in: SystemString(place.folder), lock: SystemString(place.lock))
  }

  func hasJob(_ id: String) -> Bool { access("\(place.folder)/\(id)/claim", F_OK) == 0 }

  func hostsOfOthers() -> [JobHostOfIdentity] {
    place.identities().map { id in
      let place = place.of(identity: id)
      return JobHostOfIdentity(
        id: id, name: place.storedName ?? id, host: JobHostProcess(place: place))
    }
  }

  func start() -> String? {
    do throws(Failure) {
      try place.prepare()
    } catch {
      return error.message
    }
    guard !ProcessAttributes.isInJob(Environment.current()) else {
      // This process belongs to a server's command. A host started here would end together with
      // that command.
      return
        "no job host runs, and a command that telpher runs can't start one; start a job or 'telpher serve' outside of telpher first"
    }
    if let retention {
      do throws(ErrorNumber) {
        try RetentionFile(path: SystemString(place.retentionFile)).write(retention)
      } catch {
        return "cannot write \(place.retentionFile): \(describe(errno: error.value))"
      }
    }
    return HostProcess.start(["job-host", "--retention", place.retentionFile, "--", place.folder])
  }
}

/// What such a process reports to the one that has started it.
struct JobHostReport: Codable {
  /// Whether a process listens now: this one, or one that was there before.
  var isReady: Bool
  /// Why not.
  var message = ""
}
