global using Picograd.TuneDb;
global using Picograd.TuneDb.LiteDb;
global using Picograd.TuneDb.Sqlite;
global using Xunit;
