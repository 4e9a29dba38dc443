/// All that a peer could have too much of. Times are in nanoseconds, sizes in bytes.
public struct ClassicLimits: Sendable {
  /// A command, or a line of `raw --line`: as much as one read may bring. The tutorials read 1,024.
  public var commandBytes = 16 * 1024
  /// What a client may send ahead of the answers to it. Beyond that it is not read, and waits.
  public var aheadBytes = 64 * 1024
  /// Clients of a server at once. Beyond that one that never sent anything makes room, else the new
  /// one is refused. Well below a process's usual 1,024 descriptors, of which a command needs three.
  public var clients = 200
  /// Commands of a server that run at once, each a process; a client has one at a time. More wait
  /// their turn.
  public var commands = 64
  /// Commands that wait for their turn. Far above `clients`, so that only datagrams get there: a
  /// command beyond that is dropped with its client, or its datagram.
  public var waitingCommands = 4_096
  /// How long the first bytes of a client are held when they may be the beginning of another
  /// protocol (`FirstBytes`). The pieces of one request come closer together.
  public var firstBytes: UInt64 = 500_000_000
  /// What `raw` holds of a running command's output, in order to send it in one piece at the end.
  /// Far more than one recv of a tutorial's client takes, so that a longer answer sticks anyway.
  public var heldBytes = 64 * 1024
  /// How long `raw` holds the output of a running command. The tutorials' commands (`dir`,
  /// `ping -c 4`) have ended by then, and a person who watches a log does not wait longer.
  public var heldOutput: UInt64 = 5_000_000_000
  /// The same for what follows after the first piece of such an answer: it is in pieces already, and
  /// this much joins what a program writes line by line.
  public var heldRest: UInt64 = 100_000_000
  /// How long `size` waits for an acknowledgement before it sends the answer without one. The
  /// tutorials' servers that need none sleep for about so long.
  public var acknowledgement: UInt64 = 1_000_000_000
  /// How long `size` waits for a second message of a client whose acknowledgement may be the first:
  /// a client that has sent a command waits for its size.
  public var secondMessage: UInt64 = 200_000_000
  /// What is kept of each output of a command in memory until its length is known; the rest goes
  /// into a file that has no name, in $TMPDIR or /tmp.
  public var keptInMemory = 1 << 20
  /// The longest answer whose length must be known before it is sent: past what 4 bytes can say, and
  /// far below what fills a disk.
  public var collectedBytes: Int64 = 4 << 30
  /// The longest answer that 4 bytes can announce, as a signed 32-bit integer.
  public var announcedBytes = Int64(Int32.max)
  /// A dictionary with all that a file's name and digest need.
  public var dictionaryBytes = 64 * 1024
  /// The largest file that is taken: 1 TiB.
  public var fileBytes: Int64 = 1 << 40
  /// What was received of a file and is not written yet. Beyond that its client is not read.
  public var unwrittenBytes = 4 << 20
  /// A strftime(3) format. What it makes of it has at most as many bytes as a datagram.
  public var formatBytes = 1024
  /// How long a command goes on after the end of its client's bytes. That is how a client vanishes,
  /// and also how one says that it has no more to send (nc, shutdown(2)), and still reads.
  public var goesOnAfterEnd: UInt64 = 2_000_000_000
  /// The time from SIGTERM to SIGKILL for the processes of a client that is gone.
  public var grace: UInt64 = 2_000_000_000
  /// How long an output is waited for that other processes hold open after the command's exit.
  public var drain: UInt64 = 500_000_000
  /// How long a command may run that came in a datagram: nobody can vanish there.
  public var datagramCommand: UInt64 = 60_000_000_000
  /// How long a client waits for an answer that may be lost on the way.
  public var datagramAnswer: UInt64 = 5_000_000_000
  /// What a `raw` client takes for an answer while it goes on to ask: one read of this size, the
  /// tutorials' recv(1024).
  public var rawReadBytes = 1024
  /// How long the client of `size` waits for the answer before it acknowledges the size: longer than
  /// the tutorials' servers sleep that need no acknowledgement.
  public var sleepingServer: UInt64 = 2_000_000_000
  /// How soon after its acknowledgement an answer comes that it was for. An answer that comes later
  /// may be that of a server that slept and takes the acknowledgement for the next command.
  public var promptAnswer: UInt64 = 300_000_000
  /// How long the client of `size` waits for the answer to an acknowledgement that was taken for a
  /// command.
  public var strayAnswer: UInt64 = 1_000_000_000
  /// How long a client waits between two messages that would stick, when nothing tells that the
  /// server has read the first.
  public var betweenMessages: UInt64 = 300_000_000
  /// How long a client waits at most for a server to read what it sent.
  public var serverReads: UInt64 = 5_000_000_000
  /// How long an uploading client waits for a server's word on what it sent. A tutorial's has none,
  /// and one that doesn't even close would be waited for in vain.
  public var uploadReport: UInt64 = 30_000_000_000
  /// How long a `raw` client waits for more of an answer that nothing tells the end of.
  public var silence: UInt64 = 1_000_000_000
  /// How long a `raw` client waits for the first byte of its last answer, after the silence, when it
  /// has ended its side and the server neither answers nor ends the connection.
  public var firstAnswer: UInt64 = 10_000_000_000

  /// The defaults.
  public init() {}
}
