using System.CommandLine;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary><c>tune db certify</c>: certifies, in one go, what was imported, merged or left waiting.</summary>
internal static class DbCertifyCommand
{
    public static Command Create(ToolConsole console)
    {
        var db = CommonOptions.Db();
        var only = DbCommand.Operator();
        var seed = CommonOptions.Seed();
        var command = new Command("certify", "Checks and times what waits for certification on this machine, all of it")
        {
            db,
            only,
            seed,
        };
        command.SetAction(parsed =>
        {
            var filter = DbCommand.Filter(parsed, only);
            int begin = CommonOptions.SeedOf(parsed, seed);
            // A database that is not there has nothing to certify, and opening it for writing would make one.
            if (!TuneAddress.IsServer(TuneDbLocation.Resolve(parsed.GetValue(db))))
            {
                using (DbCommand.Read(parsed, db)) { }
            }
            return new CertificationRun(console, parsed.GetValue(db), begin).Run(filter);
        });
        return command;
    }

    /// <summary>For commands that take records over.</summary>
    public static Option<bool> Option() =>
        new("--certify") { Description = "Certify at once what is for this machine, as 'tune db certify' does" };
}
