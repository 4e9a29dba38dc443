extension FleetWorker {
  /// How a worker works.
  package struct Settings: Sendable {
    /// Its name.
    package var name: WorkerName
    /// The groups whose queues it serves, beside its own queue.
    package var groups: [FleetName] = []
    /// How many jobs it runs at the same time.
    package var slots = 1
    /// An address at which the output of its jobs can be read; nil for none.
    package var address: String?
    /// The version of its program.
    package var version = ""
    /// How often it announces itself: a third of the time after which the broker forgets it.
    package var announcing = Duration.seconds(10)
    /// How often it tells the broker that it still has a job: a third of the time for work.
    package var working = Duration.seconds(10)
    /// How long it waits for a job in one call.
    package var asking = Duration.seconds(30)
    /// The first and the longest pause between attempts of a call that fails.
    package var pauses = (first: Duration.milliseconds(100), last: Duration.seconds(5))
    /// The same for what this worker's machine does not let it do: a full disk lasts longer than a call.
    package var startPauses = (first: Duration.seconds(1), last: Duration.seconds(30))

    /// The settings of a worker with this name.
    package init(name: WorkerName) { self.name = name }
  }
}
