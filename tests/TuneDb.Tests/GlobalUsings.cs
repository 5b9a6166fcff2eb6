global using Picograd.TuneDb;
global using Xunit;
