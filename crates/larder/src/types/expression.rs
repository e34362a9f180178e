//! Expressions of Diesel's over a column.

/// Makes an expression of a type over a column. Its text differs by more than its type, so Diesel knows its statements by their text.
macro_rules! expression {
    ($name:ident<$column:ident>: $sql_type:ty) => {
        impl<$column: ::diesel::Expression> ::diesel::Expression for $name<$column> {
            type SqlType = $sql_type;
        }

        impl<$column, S> ::diesel::SelectableExpression<S> for $name<$column> where
            $column: ::diesel::SelectableExpression<S>
        {
        }

        impl<$column, S> ::diesel::AppearsOnTable<S> for $name<$column> where $column: ::diesel::AppearsOnTable<S> {}

        impl<$column, G> ::diesel::expression::ValidGrouping<G> for $name<$column>
        where
            $column: ::diesel::expression::ValidGrouping<G>,
        {
            type IsAggregate = $column::IsAggregate;
        }

        impl<$column> ::diesel::query_builder::QueryId for $name<$column> {
            type QueryId = ();

            const HAS_STATIC_QUERY_ID: bool = false;
        }
    };
}

pub(super) use expression;
