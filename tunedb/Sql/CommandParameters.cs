using System.Data.Common;

namespace Picograd.TuneDb.Sql;

/// <summary>Parameters of commands, by name.</summary>
internal static class CommandParameters
{
    /// <summary>Adds one; null is SQL's.</summary>
    public static void With(this DbCommand command, string name, object? value)
    {
        var parameter = command.CreateParameter();
        parameter.ParameterName = name;
        parameter.Value = value ?? DBNull.Value;
        command.Parameters.Add(parameter);
    }
}
