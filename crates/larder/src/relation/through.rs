use super::{Link, Many, Maybe, Rel, Relation};
use crate::{
    backend::Backend,
    entity::{Pattern, PatternOn},
    error::Result,
    session::Access,
    shape::{Extend, Of, Shape, ShapeOf, With},
};

/// A many-to-many relation: over the rows of a join table to the rows behind them, in the order of the join table's list.
///
/// Costs what two levels cost: the join rows, and then what they lead to.
pub struct Through<A, B, S> {
    shape: S,
    links: std::marker::PhantomData<fn() -> (A, B)>,
}

impl<A, B, S: Clone> Clone for Through<A, B, S> {
    fn clone(&self) -> Self {
        Self { shape: self.shape.clone(), links: self.links }
    }
}

impl<A: Link, B: Link> Through<A, B, Of<<B::To as Pattern>::Entity>> {
    /// The relation with all of its rows, whole.
    #[doc(hidden)]
    #[must_use]
    pub fn new() -> Self {
        Self { shape: Of::new(), links: std::marker::PhantomData }
    }
}

impl<A: Link, B: Link> Default for Through<A, B, Of<<B::To as Pattern>::Entity>> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E, A: super::StartsFrom<E>, B, S> super::StartsFrom<E> for Through<A, B, S> {
    type Checked = Through<A::Checked, B, S>;

    fn checked(self) -> Self::Checked {
        Through { shape: self.shape, links: std::marker::PhantomData }
    }
}

impl<A, B: Link, S> super::Leads for Through<A, B, S> {
    type Child = <B::To as Pattern>::Entity;
    type Arity = Many;
}

impl<A, B, S> Through<A, B, S> {
    /// Loads `T` of each row, a view, instead of the row.
    #[must_use]
    pub fn select<T>(self) -> Through<A, B, Of<T>> {
        Through { shape: Of::new(), links: self.links }
    }

    /// Loads a relation of the relation's rows too.
    #[must_use]
    pub fn with<R>(self, relation: R) -> Through<A, B, S::Extended>
    where
        B: Link,
        S: Extend<R>,
        R: super::StartsFrom<<B::To as Pattern>::Entity>,
    {
        Through { shape: self.shape.extend(relation), links: self.links }
    }
}

/// The second step of a many-to-many relation: a join row that leads nowhere is passed over.
enum Step<B> {
    _Never(std::convert::Infallible, std::marker::PhantomData<fn() -> B>),
}

impl<B: Link> Link for Step<B> {
    type From = B::From;
    type To = B::To;
    type Arity = Maybe;
}

impl<DB, A, B, S> Relation<DB> for Through<A, B, S>
where
    DB: Backend,
    A: Link<From: PatternOn<DB>, To: PatternOn<DB>, Arity = Many>,
    B: Link<From: PatternOn<DB, Entity = <A::To as Pattern>::Entity>, To: PatternOn<DB>>,
    S: ShapeOf<DB, <B::To as Pattern>::Entity> + Clone + 'static,
    S::Head: 'static,
{
    type From = A::From;
    type Output = Vec<S::Output>;

    fn load(&self, access: Access<'_, DB>, keys: Vec<Option<<A::From as Pattern>::Key>>) -> Result<Vec<Self::Output>> {
        let step: Rel<Step<B>, S> = Rel::<Step<B>, _>::new().shaped(self.shape.clone());
        let join = Rel::<A, _>::new().shaped(With { shape: JoinRow::<A>::default(), relations: (step,) });
        let found = join.load(access, keys)?;
        Ok(found.into_iter().map(|rows| rows.into_iter().filter_map(|((), row)| row).collect()).collect())
    }
}

/// The join row itself, which nobody asked for.
struct JoinRow<A>(std::marker::PhantomData<fn() -> A>);

impl<A> Default for JoinRow<A> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<DB: Backend, A: Link<To: PatternOn<DB>>> ShapeOf<DB, <A::To as Pattern>::Entity> for JoinRow<A> {}

impl<DB: Backend, A: Link<To: PatternOn<DB>>> Shape<DB> for JoinRow<A> {
    type Entity = <A::To as Pattern>::Entity;
    type Head = crate::shape::Whole<Self::Entity>;
    type Output = ();

    fn assemble(&self, _access: Access<'_, DB>, heads: Vec<Self::Head>) -> Result<Vec<()>> {
        Ok(heads.iter().map(|_| ()).collect())
    }
}
