namespace Picograd.Tests.Operators;

/// <summary>Steps of recurrent networks by plain loops.</summary>
internal static class RecurrentReferences
{
    public static double[][] Of(Given g)
    {
        var spec = g.Spec;
        var (b, h) = ((int)spec.Dim("b"), (int)spec.Dim("h"));
        double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));
        double[] States(Func<int, int, double> f) => References.Each(b * h, i => f(i / h, i % h));
        double[] Gates(int count, Func<int, int, int, double> f) =>
            References.Each(b * count * h, i => f(i / (count * h), i / h % count, i % h));
        double At(string name, int row, int column) => g[name].At(row * h + column);
        double Gate(string name, int count, int row, int gate, int column) =>
            g[name].At((row * count + gate) * h + column);
        double Both(int row, int column) => At("E", row, column) + At("G", row, column);
        double Z(int count, int row, int gate, int column) =>
            Gate("X", count, row, gate, column) + Gate("R", count, row, gate, column);
        switch (spec.Name)
        {
            case "lstm_cell":
            {
                double A(int r, int k, int c) => k == 2 ? Math.Tanh(Z(4, r, k, c)) : Sigmoid(Z(4, r, k, c));
                double D(int r, int c) => A(r, 1, c) * At("C", r, c) + A(r, 0, c) * A(r, 2, c);
                return
                [
                    States((r, c) => A(r, 3, c) * Math.Tanh(D(r, c))),
                    States(D),
                    Gates(4, A),
                    States((r, c) => Math.Tanh(D(r, c))),
                ];
            }
            case "lstm_cell_grad":
            {
                double A(int r, int k, int c) => Gate("A", 4, r, k, c);
                double Cell(int r, int c) => At("D", r, c) + Both(r, c) * A(r, 3, c) * (1 - Math.Pow(At("T", r, c), 2));
                return
                [
                    Gates(
                        4,
                        (r, k, c) =>
                            k switch
                            {
                                0 => Cell(r, c) * A(r, 2, c) * A(r, 0, c) * (1 - A(r, 0, c)),
                                1 => Cell(r, c) * At("C", r, c) * A(r, 1, c) * (1 - A(r, 1, c)),
                                2 => Cell(r, c) * A(r, 0, c) * (1 - Math.Pow(A(r, 2, c), 2)),
                                _ => Both(r, c) * At("T", r, c) * A(r, 3, c) * (1 - A(r, 3, c)),
                            }
                    ),
                    States((r, c) => Cell(r, c) * A(r, 1, c)),
                ];
            }
            case "gru_cell":
            {
                double A(int r, int k, int c) => Sigmoid(Z(3, r, k, c));
                double N(int r, int c) => Math.Tanh(Gate("X", 3, r, 2, c) + A(r, 0, c) * Gate("R", 3, r, 2, c));
                return
                [
                    States((r, c) => (1 - A(r, 1, c)) * N(r, c) + A(r, 1, c) * At("P", r, c)),
                    Gates(2, A),
                    States(N),
                ];
            }
            case "gru_cell_grad":
            {
                double A(int r, int k, int c) => Gate("A", 2, r, k, c);
                double N(int r, int c) => Both(r, c) * (1 - A(r, 1, c)) * (1 - Math.Pow(At("N", r, c), 2));
                double X(int r, int k, int c) =>
                    k switch
                    {
                        0 => N(r, c) * Gate("R", 3, r, 2, c) * A(r, 0, c) * (1 - A(r, 0, c)),
                        1 => Both(r, c) * (At("P", r, c) - At("N", r, c)) * A(r, 1, c) * (1 - A(r, 1, c)),
                        _ => N(r, c),
                    };
                return
                [
                    Gates(3, X),
                    Gates(3, (r, k, c) => k == 2 ? X(r, k, c) * A(r, 0, c) : X(r, k, c)),
                    States((r, c) => Both(r, c) * A(r, 1, c)),
                ];
            }
            case "rnn_cell":
                return [States((r, c) => Math.Tanh(At("X", r, c) + At("R", r, c)))];
            default:
                return [States((r, c) => Both(r, c) * (1 - Math.Pow(At("H", r, c), 2)))];
        }
    }
}
